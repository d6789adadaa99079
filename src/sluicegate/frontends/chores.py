"""Small things that are to be done to very many at once, such as ending all streams: a few at a time, so that others are served in between."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

import attrs
import trio

from ..waiting.bell import Bell

__all__ = ["FEW", "Chores"]

FEW = 128
"""Things that are done in one go. Each wakes a task, which takes about 20 µs to say what it has to say; meanwhile nobody else is served."""
PAUSE_SECONDS = 0.001
"""Between two goes: long enough for what the last one has woken. Without it 10 000 streams that wait a moment together wake up together."""


@attrs.define(eq=False, repr=False)
class Chores:
    """Does things in the order in which they come. Up to `FEW` of them are done at once; what goes beyond waits for `run`."""

    _waiting: OrderedDict[Callable[[], None], None] = attrs.field(factory=OrderedDict, init=False)
    """Each once: to ring somebody who will be rung anyway says nothing new."""
    _bell: Bell = attrs.field(factory=Bell, init=False)
    """Wakes who does what goes beyond."""

    def do(self, things: Iterable[Callable[[], None]]) -> None:
        """Do these, now or soon; sync. Equal ones that are waiting are done once."""
        at_once = not self._waiting
        self._waiting.update(dict.fromkeys(things))
        if at_once:
            self._do_some()
        if self._waiting:
            self._bell.ring()

    def _do_some(self) -> None:
        for _ in range(min(FEW, len(self._waiting))):
            self._waiting.popitem(last=False)[0]()

    async def run(self) -> None:
        """Do what is waiting, until cancelled; may be run again after that."""
        while True:
            while not self._waiting:
                await self._bell.wait()
            await trio.sleep(PAUSE_SECONDS)
            self._do_some()
