"""Who may connect now: few at once until that has worked, and then ever more.

An attempt at a host that does not answer may hold one of the few threads that look up names for the whole program, and hold it for long after
we have stopped waiting. So many requests to one dead host would keep all others from connecting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

__all__ = ["DialLimit", "Dialing", "Leaves"]

Leaves = Callable[[], None] | None
"""Called when a request has its connection and is about to leave."""
FEW = 4
"""Attempts at once before one has worked; a tenth of Trio's threads."""


@attrs.define(eq=False, repr=False)
class Dialing:
    """A connection that does not stand yet."""

    purpose: object
    scope: trio.CancelScope
    why: str


@attrs.define(eq=False, repr=False)
class _Place:
    """A place in the queue."""

    called: trio.Event = attrs.field(factory=trio.Event)
    has_turn: bool = attrs.field(init=False)


@attrs.define(eq=False, repr=False)
class DialLimit:
    """Turns at connecting to one host. Each attempt that works lets one more run at once, until there is none any more."""

    _most: int = attrs.field(default=FEW, init=False)
    _taken: int = attrs.field(default=0, init=False)
    _queue: deque[_Place] = attrs.field(factory=deque, init=False)

    @property
    def are_awaited(self) -> bool:
        """Whether anybody waits."""
        return bool(self._queue)

    def take(self) -> bool:
        """Take a turn, if one is free; it is to be given back."""
        if self._taken >= self._most:
            return False
        self._taken += 1
        return True

    async def wait(self) -> bool:
        """Wait for a turn. False: there is none, but it makes sense to look for another way."""
        place = _Place()
        self._queue.append(place)
        try:
            await place.called.wait()
        except BaseException:  # cancelled, that is: the turn may have been given already
            self._leave(place)
            raise
        return place.has_turn

    def _leave(self, place: _Place) -> None:
        """It is given up, perhaps after it was called: then that must reach another."""
        if place in self._queue:
            self._queue.remove(place)
        elif place.has_turn:
            self._pass_on()
        elif self._queue:
            self.call_next()

    def give_back(self, *, worked: bool) -> None:
        """An attempt is over."""
        self._most = self._most + 1 if worked else max(FEW, self._most // 2)
        self._pass_on()

    def _pass_on(self) -> None:
        self._taken -= 1
        while self._queue and self.take():
            self.call_next(has_turn=True)
        if not self._taken:
            self._most = FEW

    def call_next(self, *, has_turn: bool = False) -> None:
        """Call the one who has waited longest."""
        place = self._queue.popleft()
        place.has_turn = has_turn
        place.called.set()
