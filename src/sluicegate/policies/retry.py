"""Send a call again that has failed, if that can help and can do no harm.

The pause before each retry is drawn from the whole range up to a limit that doubles (full jitter): callers that failed together do not come
back together. It lies inside of the deadline of the whole call: a retry that could only begin after it is not waited for.

Retries are over within a second, and a restart takes longer. So a call waits once for a backend that is on its way back, unless another may be
asked; the pause comes after that.
"""

from __future__ import annotations

import random
from typing import Protocol

import attrs
import trio

from ..protocol.calls import Call, Handler, Reply
from ..protocol.faults import Fault
from ..telling.statistics import counter, snapshot
from .repeatable import Repeatable
from .settings import RetrySettings

__all__ = ["Retry", "RetryStatistics"]


class Restarting(Protocol):
    """A backend that may be away for a while."""

    name: str

    @property
    def comes_back(self) -> bool:
        """Whether it cannot be sent a call now, and is about to be there again."""
        ...

    async def wait_ready(self) -> None:
        """Wait until it is there, or is not worth waiting for any more."""
        ...


@attrs.frozen(repr=False)
class RetryStatistics:
    """What `Retry` has counted."""

    retried: int = attrs.field(metadata=counter("retries", "Attempts beyond the first that a retry made."))
    exhausted: int = attrs.field(metadata=counter("retries_exhausted", "Requests that failed although they might have been repeated."))


@attrs.define(eq=False, repr=False)
class Retry:
    """Repeat a failed call until it succeeds, or another attempt makes no sense; then its last fault goes on unchanged."""

    inner: Handler
    settings: RetrySettings
    repeatable: Repeatable
    chance: random.Random
    backend: Restarting | None = None
    """Who is waited for; None if nobody is."""
    retried: int = attrs.field(default=0, init=False)
    """Attempts beyond the first."""
    exhausted: int = attrs.field(default=0, init=False)
    """Calls that failed although they might have been repeated: no attempt was left, no budget, or no time."""
    waiting: int = attrs.field(default=0, init=False)
    """Calls that wait for their next attempt, or for the backend."""
    _initial_seconds: float = attrs.field(init=False)
    _max_seconds: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._initial_seconds, self._max_seconds = self.settings.initial_backoff_ms / 1000, self.settings.max_backoff_ms / 1000

    async def __call__(self, call: Call) -> Reply:
        """Run copies of the call, one after the other."""
        limit = self._initial_seconds
        said: Reply | None = None
        may_wait = self.backend is not None
        for _ in range(self.settings.max_retries):
            reply = await self.inner(call.copy())
            fault = reply.fault
            if fault is None or not self._may_repeat(call, fault):
                return _told(said, reply)
            if may_wait and not fault.lasting and self._is_waited_for(call):
                may_wait = False
                if not await self._wait_for_restart(call):
                    self.exhausted += 1
                    return _told(said, reply)
            pause = self._pause(limit, fault)
            if not _is_in_time(call, pause) or not _draws(call):
                self.exhausted += 1
                return _told(said, reply)
            said = _told(said, reply)
            self.retried += 1
            limit *= 2
            await self._wait(pause)
        reply = await self.inner(call.copy())
        if reply.fault is not None and self._may_repeat(call, reply.fault):
            self.exhausted += 1
        return _told(said, reply)

    def _is_waited_for(self, call: Call) -> bool:
        """Whether the backend is on its way back, and nobody else may be asked."""
        backend, elsewhere = self.backend, call.trail.elsewhere
        return backend is not None and backend.comes_back and (elsewhere is None or not elsewhere.can_take(call, backend.name))

    async def _wait_for_restart(self, call: Call) -> bool:
        """Wait for the backend; False at once where there is no budget left. Else all would wait whose retry is refused in the end."""
        backend, allowance = self.backend, call.trail.allowance
        assert backend is not None
        if allowance is not None and not allowance.reserve():
            return False
        self.waiting += 1
        try:
            with trio.move_on_at(call.trail.ends_at):
                await backend.wait_ready()
        finally:
            self.waiting -= 1
            if allowance is not None:
                allowance.release()
        return True

    async def _wait(self, pause: float) -> None:
        self.waiting += 1
        try:
            await trio.sleep(pause)
        finally:
            self.waiting -= 1

    def _may_repeat(self, call: Call, fault: Fault) -> bool:
        """Whether another attempt makes sense, and does no harm; what may be repeated in any case is not asked about."""
        if call.trail.asked:
            return False
        return fault.may_be_repeated(safe=False) or (fault.may_be_repeated(safe=True) and self.repeatable(call))

    def _pause(self, limit: float, fault: Fault) -> float:
        """Drawn, and on top of what the backend asks for: all who were told the same moment must not come in the same moment."""
        return (fault.retry_after or 0.0) + self.chance.uniform(0, min(limit, self._max_seconds))

    def statistics(self) -> RetryStatistics:
        """What it has counted until now."""
        return snapshot(RetryStatistics, self)


def _told(said: Reply | None, reply: Reply) -> Reply:
    """What becomes the answer: that the last attempt was not even sent says less than what became of one that was, and hides that it was."""
    if said is None or said.fault is None or not said.fault.started or reply.fault is None or reply.fault.started:
        return reply
    return said


def _is_in_time(call: Call, pause: float) -> bool:
    """Whether the call is still alive after a pause; one that ends with it is not."""
    return trio.current_time() + pause < min(call.trail.ends_at, trio.current_effective_deadline())


def _draws(call: Call) -> bool:
    allowance = call.trail.allowance
    return allowance is None or allowance.draw()
