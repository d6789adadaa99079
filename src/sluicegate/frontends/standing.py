"""What stays open for somebody who has shown who he is once, as it began: it ends with what he has shown, and he comes back with another token."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from typing import Protocol

import attrs
import trio

from ..protocol.principal import Principal
from ..waiting.bell import Bell

__all__ = ["Endable", "Standing"]

SHORTEST_SECONDS = 30.0
"""How long anything lasts at least whose caller's token ends; that is taken for a while longer, since clocks differ, and none may come back at once."""
FEW = 64
"""Things that are ended in one go: each wakes a task."""
PAUSE_SECONDS = 0.005
"""Between two goes, in which others are served."""


class Endable(Protocol):
    """A stream, or a connection."""

    def hang_up(self) -> None:
        """End it. Must not wait for anything, nor raise."""
        ...


@attrs.define(eq=False, repr=False)
class Standing:
    """All that is open, with one timer: a dict's entry for each, and none for those whose tokens neither end nor can be taken away."""

    wall: Callable[[], float]
    """The time of day in seconds."""
    _open: dict[Endable, tuple[Principal, float]] = attrs.field(factory=dict, init=False)
    """Whose each is, and its last moment on Trio's clock."""
    _holds: Callable[[Principal], bool] = attrs.field(default=lambda _principal: True, init=False)
    _next: float = attrs.field(default=math.inf, init=False)
    """When the timer looks again."""
    _bell: Bell = attrs.field(factory=Bell, init=False)
    """Wakes the timer before that."""

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, thing: Endable, principal: Principal) -> None:
        """Something is open for him until `end`. What he has shown may have been taken away since it was looked at."""
        if principal.expires_at is None and not principal.shown:
            return
        moment = now = trio.current_time()
        if self._holds(principal):
            moment = math.inf if principal.expires_at is None else now + max(principal.expires_at - self.wall(), SHORTEST_SECONDS)
        self._open[thing] = principal, moment
        self._look_at(moment)

    def end(self, thing: Endable) -> None:
        """It is over."""
        self._open.pop(thing, None)

    def reconsider(self, holds: Callable[[Principal], bool]) -> None:
        """What callers have shown is good from now on only where this says so; what is open on anything else ends."""
        self._holds, now = holds, trio.current_time()
        for thing, (principal, _moment) in self._open.items():
            if not holds(principal):
                self._open[thing] = principal, now
                self._look_at(now)

    def _look_at(self, moment: float) -> None:
        if moment < self._next:
            self._next = moment
            self._bell.ring()

    async def run(self) -> None:
        """End what has had its last moment, a few at a time, until cancelled. For 10 000 that are open a look takes a millisecond."""
        while True:
            with trio.CancelScope(deadline=self._next):
                if self._next > trio.current_time():
                    await self._bell.wait()
            self._end_some(trio.current_time())
            await trio.sleep(PAUSE_SECONDS)
            self._next = min((moment for _principal, moment in self._open.values()), default=math.inf)

    def _end_some(self, now: float) -> None:
        due = (thing for thing, (_principal, moment) in self._open.items() if moment <= now)
        for thing in list(islice(due, FEW)):
            del self._open[thing]
            thing.hang_up()
