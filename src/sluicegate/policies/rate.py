"""So many calls in so much time, with a burst after a quiet time.

A bucket holds tokens, and each call takes one. Nobody fills it: how many there are follows from the time. The tokens taken since the bucket
was last full are counted, not added up in fractions, so that the time of the next token is exact however many came before.
"""

from __future__ import annotations

from collections import deque

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Handler, Reply
from ..telling.statistics import counter, snapshot
from .settings import RateLimitSettings

__all__ = ["Bucket", "RateLimit", "RateStatistics"]

_HAIR = 1e-9
"""Seconds. A turn that comes just at the end of the longest wait is waited for, however the fractions were rounded."""


@attrs.define(eq=False, repr=False)
class Bucket:
    """Tokens, and the queue of those who wait for one: first come, first served.

    Over any time *t* it gives out at most ``burst`` + *t* · ``requests`` / ``period_seconds``.
    """

    settings: RateLimitSettings
    _requests: int = attrs.field(init=False)
    _period_seconds: float = attrs.field(init=False)
    _size: int = attrs.field(init=False)
    """How many tokens it holds."""
    _full_at: float = attrs.field(default=float("-inf"), init=False)
    """When it was last known to be full."""
    _taken: int = attrs.field(default=0, init=False)
    """Since then."""
    _waiting: deque[trio.Event] = attrs.field(factory=deque, init=False)
    """One for each who waits, set when it is the first."""

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        self._requests, self._period_seconds = settings.requests, settings.period_seconds
        self._size = settings.requests if settings.burst is None else settings.burst

    @property
    def waiting(self) -> int:
        """How many wait for a token."""
        return len(self._waiting)

    @property
    def due(self) -> float:
        """When a token is there for somebody who would come now: on Trio's clock, and past if there is one."""
        return self._due(len(self._waiting))

    def take(self) -> bool:
        """Take a token if there is one that nobody waits for."""
        if self._waiting:
            return False
        now = trio.current_time()
        self._refill(now)
        if self._due(0) > now:
            return False
        self._taken += 1
        return True

    async def wait(self) -> None:
        """Wait for a token and take it. Who is cancelled gives up its turn, and those behind move up."""
        turn = trio.Event()
        self._waiting.append(turn)
        try:
            if self._waiting[0] is not turn:
                await turn.wait()
            await trio.sleep_until(self._due(0))  # nobody else takes one while somebody waits, so this stays true
            self._refill(trio.current_time())
            self._taken += 1
        finally:
            self._leave(turn)

    def _due(self, ahead: int) -> float:
        """When there is a token left after so many others were taken."""
        return self._full_at + (self._taken + ahead - self._size + 1) * self._period_seconds / self._requests

    def _refill(self, now: float) -> None:
        if now > self._full_at + self._taken * self._period_seconds / self._requests:
            self._full_at, self._taken = now, 0

    def _leave(self, turn: trio.Event) -> None:
        was_first = self._waiting[0] is turn
        self._waiting.remove(turn)
        if was_first and self._waiting:
            self._waiting[0].set()


@attrs.frozen(repr=False)
class RateStatistics:
    """What `RateLimit` has counted."""

    refused: int = attrs.field(metadata=counter("rate_limited", "Requests that its rate limit refused."))


@attrs.define(eq=False, repr=False)
class RateLimit:
    """Let calls through at the rate of a bucket. One whose turn comes too late is refused at once, and told when to come again."""

    inner: Handler
    bucket: Bucket
    backend: str = ""
    """Empty where the limit is that of the whole gateway."""
    only: frozenset[str] | None = None
    """Methods that take a token; None is every one."""
    refused: int = attrs.field(default=0, init=False)
    waited: int = attrs.field(default=0, init=False)
    """Calls that had to wait for their turn."""
    _max_wait_seconds: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._max_wait_seconds = self.bucket.settings.max_wait_seconds

    async def __call__(self, call: Call) -> Reply:
        """Take a token, at once or within the time that the call may wait, and run the call."""
        if self.only is not None and call.method not in self.only:
            return await self.inner(call)
        if not self.bucket.take():
            seconds = self.bucket.due - trio.current_time()
            if not self._may_wait(seconds):
                self.refused += 1
                await trio.lowlevel.checkpoint()
                return Reply.failed(faults.rate_limited(max(0.0, seconds), backend=self.backend))
            self.waited += 1
            await self.bucket.wait()
        return await self.inner(call)

    def _may_wait(self, seconds: float) -> bool:
        """Whether the turn comes soon enough, and before the end of the call."""
        if seconds > self._max_wait_seconds + _HAIR:
            return False
        return trio.current_time() + seconds < trio.current_effective_deadline()

    def statistics(self) -> RateStatistics:
        """What it has counted until now."""
        return snapshot(RateStatistics, self)
