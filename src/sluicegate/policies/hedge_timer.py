"""One task that knows when the copies of all slow calls are due, and when calls that have no task come to their end."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Protocol

import attrs
import trio

__all__ = ["FEW_STALE", "Due", "HedgeTimer"]

NEVER = float("inf")
FEW_STALE = 64
"""So many looks that nobody needs any more are not worth clearing away."""


class Due(Protocol):
    """A call of which a copy may become due, or its end."""

    def fall_due(self, now: float) -> None:
        """It is due. Must not wait for anything, nor raise."""
        ...


@attrs.define(eq=False, repr=False)
class HedgeTimer:
    """Sees to what is due. Its owner runs `run` once, in the nursery in which copies run.

    Nearly all calls end before anything is due, so what costs is `plan` and `forget`. A call that has ended is forgotten at once, its
    place in the heap later: when the time comes, or when too many such places have piled up.
    """

    _races: dict[int, Due] = attrs.field(factory=dict, init=False)
    _heap: list[tuple[float, int]] = attrs.field(factory=list, init=False)
    """When to look, and after which race; it may have ended by then."""
    _numbers: count[int] = attrs.field(factory=count, init=False)
    _sleep: trio.CancelScope | None = attrs.field(default=None, init=False)
    woken: int = attrs.field(default=0, init=False)
    """How often it has looked."""

    @property
    def planned(self) -> int:
        """How many calls wait for their next copy."""
        return len(self._races)

    @property
    def places(self) -> int:
        """How many places there are in its heap."""
        return len(self._heap)

    def plan(self, race: Due, due: float) -> int:
        """Start a copy then. The number that is returned is for `forget`."""
        number = next(self._numbers)
        self._races[number] = race
        heapq.heappush(self._heap, (due, number))
        if self._sleep is not None and due < self._sleep.deadline:
            self._sleep.deadline = due
        return number

    def forget(self, number: int) -> None:
        """It has ended, or its copy has been started."""
        self._races.pop(number, None)
        if len(self._heap) > FEW_STALE + 2 * len(self._races):
            self._heap = [place for place in self._heap if place[1] in self._races]
            heapq.heapify(self._heap)

    async def run(self) -> None:
        """Start copies until cancelled."""
        while True:
            self._sleep = trio.CancelScope(deadline=self._heap[0][0] if self._heap else NEVER)
            with self._sleep:
                await trio.sleep_forever()
            self._sleep = None
            self.woken += 1
            self._start_due(trio.current_time())

    def _start_due(self, now: float) -> None:
        while self._heap and (self._heap[0][0] <= now or self._heap[0][1] not in self._races):
            _, number = heapq.heappop(self._heap)
            race = self._races.pop(number, None)
            if race is not None:
                race.fall_due(now)
