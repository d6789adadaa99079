"""One alarm for many connections, so that moving a deadline costs an assignment.

A cancel scope per read, or one that is moved at every step of every request, was measured at 7-13 µs; a float in a field costs nothing. So
each connection says when it expires, and one task looks after all of them. It looks when the first could be due, and only then finds out
that its time was moved on meanwhile.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable
from itertools import count
from typing import Protocol

import attrs
import trio

__all__ = ["Timed", "Timekeeper"]

NEVER = float("inf")
AT_ONCE = 8
"""So many expire in one go."""
PAUSE_SECONDS = 0.005
"""Before the next go. Connections that came together expire together, and the farewell of 500 in one go held up everybody for 75 ms."""

FEW_STALE = 64
"""So many looks that nobody needs any more are not worth clearing away."""


class Timed(Protocol):
    """Something with a moving deadline. Who moves it to an earlier moment than before says so with `Timekeeper.watch`."""

    expires_at: float
    """On Trio's clock; ``inf`` while there is no deadline."""
    looked_at: float
    """When the timekeeper will look at it; its own affair, ``inf`` at the beginning."""

    def expire(self) -> Awaitable[None]:
        """The time has come. Must not block for long: everybody else's time is waiting."""
        ...


@attrs.define(eq=False, repr=False)
class Timekeeper:
    """Expires whatever is due. Its owner runs `run` in a nursery of its own.

    What has ended is to be forgotten: a look is planned for up to a minute ahead, and until then it would hold what it is about.
    """

    _heap: list[tuple[float, int, Timed]] = attrs.field(factory=list, init=False)
    """Planned looks. One is good if its time is the one that its object knows; the others are stale."""
    _stale: int = attrs.field(default=0, init=False)
    _order: count[int] = attrs.field(factory=count, init=False)
    _sleep: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def planned(self) -> int:
        """How many looks are planned, stale ones included."""
        return len(self._heap)

    def watch(self, timed: Timed, expires_at: float) -> None:
        """Let it expire then. Cheap when it is later than before."""
        timed.expires_at = expires_at
        if expires_at < timed.looked_at:
            if timed.looked_at < NEVER:
                self._leave_stale()
            timed.looked_at = expires_at
            heapq.heappush(self._heap, (expires_at, next(self._order), timed))
            self._sleep.deadline = min(self._sleep.deadline, expires_at)

    def forget(self, timed: Timed) -> None:
        """It has ended."""
        timed.expires_at = NEVER
        if timed.looked_at < NEVER:
            timed.looked_at = NEVER
            self._leave_stale()

    def _leave_stale(self) -> None:
        self._stale += 1
        if self._stale > FEW_STALE and self._stale * 2 > len(self._heap):
            self._heap = [look for look in self._heap if look[0] == look[2].looked_at]
            heapq.heapify(self._heap)
            self._stale = 0

    async def run(self) -> None:
        """Keep time until cancelled."""
        while True:
            self._sleep = trio.CancelScope(deadline=self._heap[0][0] if self._heap else NEVER)
            with self._sleep:
                await trio.sleep_forever()
            await self._expire_due(trio.current_time())

    async def _expire_due(self, now: float) -> None:
        expired = 0
        while self._heap and self._heap[0][0] <= now:
            at, _, timed = heapq.heappop(self._heap)
            if at != timed.looked_at:
                self._stale -= 1  # another look has taken its place
            elif timed.expires_at > now:
                timed.looked_at = NEVER
                self.watch(timed, timed.expires_at)
            else:
                timed.looked_at = timed.expires_at = NEVER
                await timed.expire()
                expired += 1
                if expired % AT_ONCE == 0:
                    await trio.sleep(PAUSE_SECONDS)
