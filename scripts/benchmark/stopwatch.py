"""How long the event loop of this process serves nobody."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

__all__ = ["Stopwatch", "watching"]


@attrs.define(eq=False)
class Stopwatch(trio.abc.Instrument):
    """The longest time for which nobody was served: between two looks at the sockets, and in one step of one task.

    Milliseconds of processor time, which says the same on a machine that has other things to do.
    """

    turn: float = 0.0
    step: float = 0.0
    _turned: float = attrs.field(factory=time.thread_time, init=False)
    _stepped: float = attrs.field(factory=time.thread_time, init=False)

    def after_io_wait(self, timeout: float) -> None:
        """A turn begins."""
        del timeout
        self._turned = time.thread_time()

    def before_io_wait(self, timeout: float) -> None:
        """A turn ends."""
        del timeout
        self.turn = max(self.turn, (time.thread_time() - self._turned) * 1e3)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task runs."""
        del task
        self._stepped = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It waits again."""
        del task
        self.step = max(self.step, (time.thread_time() - self._stepped) * 1e3)


@asynccontextmanager
async def watching() -> AsyncGenerator[Stopwatch, None]:
    """Look at the event loop for the length of a block."""
    await trio.lowlevel.checkpoint()
    stopwatch = Stopwatch()
    trio.lowlevel.add_instrument(stopwatch)
    try:
        yield stopwatch
        await trio.lowlevel.checkpoint()
    finally:
        trio.lowlevel.remove_instrument(stopwatch)
