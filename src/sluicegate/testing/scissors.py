"""Cuts a task off after any number of steps, so that a test can try them all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import attrs
import trio

__all__ = ["cut_after"]


@attrs.define(eq=False, repr=False)
class _Scissors(trio.abc.Instrument):
    scope: trio.CancelScope
    left: int
    task: trio.lowlevel.Task = attrs.field(factory=trio.lowlevel.current_task)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


@contextmanager
def cut_after(steps: int) -> Generator[trio.CancelScope, None, None]:
    """Cancel the block when the current task has made so many steps in it."""
    with trio.CancelScope() as scope:
        scissors = _Scissors(scope, steps)
        trio.lowlevel.add_instrument(scissors)
        try:
            yield scope
        finally:
            trio.lowlevel.remove_instrument(scissors)
