"""Send a copy of a call that takes long, and take the first success.

The first attempt runs in the call's own task; there is no other task before a copy is due. One `HedgeTimer` knows when that is for all
calls of a gateway, and starts copies in the background. Whoever succeeds first cancels the others, so the backend hears of it.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from ..protocol.calls import SILENT, Call, Handler, Reply
from ..protocol.fault import Cause
from ..telling.loggers import get_logger
from ..telling.statistics import counter, snapshot
from .hedge_timer import HedgeTimer
from .latencies import Latencies
from .repeatable import Repeatable
from .settings import HedgeSettings

__all__ = ["Hedge", "HedgeStatistics", "HedgeTimer"]

log = get_logger("sluicegate.hedge")


@attrs.frozen(repr=False)
class HedgeStatistics:
    """What `Hedge` has counted."""

    sent: int = attrs.field(metadata=counter("hedges", "Copies of slow requests that were sent."))
    won: int = attrs.field(metadata=counter("hedges_won", "Copies whose answer was taken."))


@attrs.define(eq=False, repr=False)
class Hedge:
    """Runs a call, and copies of it if it is slow and may be run twice."""

    inner: Handler
    settings: HedgeSettings
    repeatable: Repeatable
    may_hedge: Callable[[], bool]
    """False while the backend is being spared or tried out."""
    timer: HedgeTimer
    background: trio.Nursery
    """Where copies run. They end with their call."""
    sent: int = attrs.field(default=0, init=False)
    """Copies that were started."""
    won: int = attrs.field(default=0, init=False)
    """Copies whose answer was taken."""
    running: int = attrs.field(default=0, init=False)
    """Copies that have not ended yet."""
    _delay_seconds: float = attrs.field(init=False)
    _latencies: Latencies | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if self.settings.max_hedges == 0:
            raise ValueError("hedging.max_hedges is 0: do without the policy where no copy may be sent")
        self._delay_seconds = self.settings.delay_ms / 1000
        if self.settings.percentile is not None:
            self._latencies = Latencies(self.settings.percentile / 100, self._delay_seconds)

    @property
    def delay(self) -> float:
        """After how many seconds a copy is sent, as things are now."""
        return self._delay_seconds if self._latencies is None else self._latencies.estimate

    async def __call__(self, call: Call) -> Reply:
        """Answer with the first success; if there is none, with the fault of the first attempt."""
        if call.trail.asked or not self.repeatable(call) or not self.may_hedge():
            return await self.inner(call)
        race = _Race(self, call)
        race.begin()
        own: Reply | None = None
        try:
            with race.scope:
                own = await self.attempt(call)
                if own.fault is not None:
                    await race.wait_for_copies()
        finally:
            race.end()
        if race.reply is None or (own is not None and own.fault is None):
            assert own is not None, "only a copy that has succeeded cancels the first attempt"
            return own
        self.won += 1
        return race.reply

    async def attempt(self, call: Call) -> Reply:
        """Run one attempt, and remember how long it took."""
        latencies = self._latencies
        if latencies is None:
            return await self.inner(call)
        began = trio.current_time()
        try:
            reply = await self.inner(call)
        except trio.Cancelled:
            latencies.was_cut(trio.current_time() - began)
            raise
        if reply.fault is None:
            latencies.took(trio.current_time() - began)
        elif reply.fault.cause is Cause.TIMEOUT:
            latencies.was_cut(trio.current_time() - began)
        return reply  # how soon an attempt fails for another reason says nothing about how long one takes that succeeds

    def statistics(self) -> HedgeStatistics:
        """What it has counted until now."""
        return snapshot(HedgeStatistics, self)


@attrs.define(eq=False, repr=False)
class _Race:
    """One attempt and the copies of it."""

    hedge: Hedge
    call: Call
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """That of the first attempt."""
    reply: Reply | None = attrs.field(default=None, init=False)
    """That of the first copy that succeeded."""
    _copies: tuple[trio.CancelScope, ...] = attrs.field(default=(), init=False)
    _running: int = attrs.field(default=0, init=False)
    _number: int = attrs.field(default=-1, init=False)
    """The timer's number for the next copy."""
    _is_open: bool = attrs.field(default=True, init=False)
    """Whether further copies may start: not after anybody has answered in its own task, well or badly."""
    _all_ended: trio.Event | None = attrs.field(default=None, init=False)

    def begin(self) -> None:
        """Plan the first copy, or start all of them."""
        now, delay = trio.current_time(), self.hedge.delay
        if delay > 0:
            self._number = self.hedge.timer.plan(self, now + delay)
            return
        for _ in range(self.hedge.settings.max_hedges):
            self._start()

    def fall_due(self, now: float) -> None:
        """A copy is due: start it, and plan the next one."""
        self._start()
        if len(self._copies) < self.hedge.settings.max_hedges:
            self._number = self.hedge.timer.plan(self, now + self.hedge.delay)

    def _start(self) -> None:
        scope = trio.CancelScope(deadline=self.call.scope.deadline)  # in there they must know how long they may wait
        self.hedge.background.start_soon(self._run_copy, scope, name="a copy of a slow call")
        self._copies += (scope,)
        self._running += 1
        self.hedge.running += 1

    async def _run_copy(self, scope: trio.CancelScope) -> None:
        reply: Reply | None = None
        try:
            with scope:
                if self._may_start():
                    self.hedge.sent += 1
                    reply = await self.hedge.attempt(self.call.copy(back=SILENT))
        except Exception as error:  # a bug in there costs this copy, not the nursery with all other background work
            log.exception("bug in a copy of a call", target=self.call.target, error=repr(error))
        finally:
            self.hedge.running -= 1
            self._ended(reply)

    def _may_start(self) -> bool:
        """Decided when the copy is due. It has not begun before that, so whoever has ended by now leaves no trace."""
        trail = self.call.trail
        if not self._is_open or trail.asked or not self.hedge.may_hedge():
            return False
        return trail.allowance is None or trail.allowance.draw()

    def _ended(self, reply: Reply | None) -> None:
        self._running -= 1
        if reply is not None and reply.fault is None and self.reply is None:
            self.reply = reply
            self.scope.cancel(reason="a copy has succeeded")
            self.end()
        elif self._running == 0 and self._all_ended is not None:
            self._all_ended.set()

    async def wait_for_copies(self) -> None:
        """The first attempt has failed: wait until all copies have. One that succeeds cancels the waiting."""
        self._close()
        if self._running:
            self._all_ended = trio.Event()
            await self._all_ended.wait()

    def end(self) -> None:
        """It is decided, or nobody waits any more: end what still runs."""
        self._close()
        for scope in self._copies:
            scope.cancel(reason="the call has ended")

    def _close(self) -> None:
        self._is_open = False
        self.hedge.timer.forget(self._number)
