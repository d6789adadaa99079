"""So many calls at a time; the others wait in a queue that has an end.

The queue lies inside of the deadlines of a call, so waiting is part of the time that it has.
"""

from __future__ import annotations

from collections import deque

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import WORK, Call, Reply
from ..telling.statistics import counter, gauge, snapshot
from .remembering import Remembering
from .settings import ConcurrencySettings

__all__ = ["Concurrency", "ConcurrencyStatistics"]


@attrs.frozen(repr=False)
class ConcurrencyStatistics:
    """What `Concurrency` has counted."""

    waiting: int = attrs.field(metadata=gauge("backend_queue", "Requests that wait for a place."))
    refused: int = attrs.field(metadata=counter("queue_refused", "Requests that found its queue full, or waited in it for too long."))


@attrs.define(eq=False, repr=False)
class Places:
    """How many there are, who has one, and who waits; it stays when the settings change, because those who are inside do."""

    most: int
    taken: int = attrs.field(default=0, init=False)
    queue: deque[trio.Event] = attrs.field(factory=deque, init=False)
    """One for each who waits, set when it has got a place. Not empty only while all places are taken."""

    def give_on(self) -> None:
        """A place is left: to the next in line, so nobody can slip in between; or to nobody, where there are fewer of them now."""
        if self.queue and self.taken <= self.most:
            self.queue.popleft().set()
        else:
            self.taken -= 1

    def become(self, most: int) -> None:
        """There are more of them now, which those who wait get at once, or fewer: then who is inside stays."""
        self.most = most
        while self.queue and self.taken < most:
            self.taken += 1
            self.queue.popleft().set()


@attrs.define(eq=False, repr=False)
class Concurrency(Remembering[ConcurrencySettings]):
    """Hand out places, first come, first served."""

    refused: int = attrs.field(default=0, init=False)
    """Calls that found the queue full, or waited in it for too long."""
    places: Places = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.places = Places(self.settings.max_concurrent)

    def follow(self, former: object) -> None:
        """Those who are inside have its places, too, and those who wait go on waiting in its queue, for as long as they meant to."""
        assert isinstance(former, Concurrency)
        self.places = former.places

    def begin(self) -> None:
        """From now on there are as many places as these settings say."""
        self.places.become(self.settings.max_concurrent)

    @property
    def running(self) -> int:
        """Places that are taken."""
        return self.places.taken

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self.places.queue)

    async def __call__(self, call: Call) -> Reply:
        """Run the call as soon as there is a place for it; a free one is taken without a checkpoint. What is no work takes none (RES-0c)."""
        if call.method not in WORK:
            return await self.inner(call)
        places = self.places
        if places.taken < places.most:
            places.taken += 1
        elif len(places.queue) >= self.settings.max_queue:
            self.refused += 1
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.queue_full(self.backend, len(places.queue)))
        elif not await self._wait_for_place():
            self.refused += 1
            return Reply.failed(faults.queue_timed_out(self.backend, self.settings.queue_timeout_seconds or 0.0))
        try:
            return await self.inner(call)
        finally:
            places.give_on()

    async def _wait_for_place(self) -> bool:
        """Whether it has got one in time."""
        turn = trio.Event()
        self.places.queue.append(turn)
        has_place = False
        seconds = self.settings.queue_timeout_seconds
        try:
            with trio.move_on_after(float("inf") if seconds is None else seconds):
                await turn.wait()
            has_place = turn.is_set()
        finally:
            if not has_place:
                self._withdraw(turn)
        return has_place

    def _withdraw(self, turn: trio.Event) -> None:
        """Leave the queue; a place that was given in the very moment in which the call was cancelled goes to the next."""
        if turn.is_set():
            self.places.give_on()
        else:
            self.places.queue.remove(turn)

    def statistics(self) -> ConcurrencyStatistics:
        """What it has counted until now."""
        return snapshot(ConcurrencyStatistics, self)
