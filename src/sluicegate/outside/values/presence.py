"""Whether what is kept elsewhere can be had, and who is told when that changes."""

from __future__ import annotations

import attrs
import trio

from ...protocol.key_values import PATIENCE_SECONDS
from ...telling.loggers import get_logger

__all__ = ["Presence"]

log = get_logger("sluicegate.stores")

NEARLY = 0.8
"""Of the patience: whoever was cut after that has waited for all that he may."""
SHORTEST_PAUSE = 0.5


@attrs.define(eq=False)
class Presence:
    """It is away until it was reached once."""

    place: str
    """For people, without what is secret."""
    longest_pause: float = 15.0
    """Seconds between two tries; the shortest is half of one."""
    news: trio.Event = attrs.field(factory=trio.Event, init=False)
    """For the one task that keeps in touch with it: set when there is something to do, and made anew by it before it waits."""
    is_there: bool = attrs.field(default=False, init=False)
    _told: bool = attrs.field(default=False, init=False)
    """Whether people know that it is away."""
    _pause: float = attrs.field(default=SHORTEST_PAUSE, init=False)

    def lost(self, why: str) -> None:
        """It does not answer, or not as it should; nobody is to wait for it until it is back."""
        if not self._told:
            log.warning("a store is away; until it is back answers are kept in memory", store=self.place, error=why)
        self._told, self.is_there = True, False
        self.news.set()

    def left(self, began: float) -> None:
        """Somebody who waited for one answer since then has been cut, which says nothing of it unless that was long."""
        waited = trio.current_time() - began
        if waited >= NEARLY * PATIENCE_SECONDS:
            self.lost(f"no answer for {waited:.2f} s")

    def back(self) -> None:
        """It answers."""
        if self._told:
            log.info("a store is back", store=self.place)
        self._told, self.is_there, self._pause = False, True, SHORTEST_PAUSE

    def pause(self) -> float:
        """How many seconds to wait before it is tried again: longer each time."""
        seconds, self._pause = self._pause, min(2 * self._pause, self.longest_pause)
        return seconds
