"""A call that waits for a flight without a task of its own."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..protocol import faults
from ..protocol.back import Back
from ..protocol.calls import Call, Reply
from ..telling.loggers import get_logger
from .deadline import expired
from .hedge_timer import HedgeTimer

__all__ = ["Passenger"]

log = get_logger("sluicegate.coalesce")


@attrs.define(eq=False, repr=False)
class Passenger:
    """Gets its reply by a plain function, once: when the flight is over, when its time is up, or when it leaves (implements `Coming`, `Due`).

    What a task would do around its waiting are its steps: they are done in any case, and in order.
    """

    call: Call
    token: bytes
    """Under which it wants to hear how far the flight is; empty where it does not."""
    timer: HedgeTimer
    get_off: Callable[[Passenger, Call], None]
    """Has the flight wait for it no longer, and tells its call what became of that."""
    _steps: list[Callable[[Reply], Reply]] = attrs.field(factory=list, init=False)
    _is_done: bool = attrs.field(default=False, init=False)
    _place: int = attrs.field(init=False)
    """Of its end, with the timer."""

    @_place.default
    def _planned(self) -> int:
        return self.timer.plan(self, self.call.trail.ends_at)

    @property
    def back(self) -> Back:
        """The way to its caller, who gets one a moment after it has begun to wait."""
        return self.call.back

    def then(self, step: Callable[[Reply], Reply]) -> None:
        """Do this when the reply is there, after what was said before."""
        self._steps.append(step)

    def end_by(self, time: float) -> None:
        """Have it fail at that time."""
        if not self._is_done:
            self.timer.forget(self._place)
            self._place = self.timer.plan(self, time)

    def fall_due(self, now: float) -> None:
        """Its time is up."""
        del now
        self.leave()

    def leave(self) -> None:
        """Have it fail now, and the flight with it if nobody else waits."""
        if self._is_done:
            return
        self.get_off(self, self.call)
        trail = self.call.trail
        fault = faults.cancelled(trail.cut) if trail.cut else expired(self.call, trail.allowed, trail.holder, sent=trail.sent)
        self._finish(Reply.failed(fault))

    def land(self, reply: Reply) -> None:
        """The flight is over."""
        if not self._is_done:
            self.get_off(self, self.call)
            self._finish(reply)

    def _finish(self, reply: Reply) -> None:
        self._is_done = True
        self.timer.forget(self._place)
        steps, self._steps = self._steps, []  # they lead back here, and circles cost the garbage collector time
        for step in steps:
            try:
                reply = step(reply)
            except Exception:  # a bug costs one call, and none of those who wait with it
                log.exception("a bug cost one call", method=self.call.method, target=self.call.target)
                reply = Reply.failed(faults.bug(self.call.target))
