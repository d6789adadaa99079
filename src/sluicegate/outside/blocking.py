"""Work that blocks: in a thread, or, where everything is to follow from a seed, in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

from .virtual import refuse_under_virtual_time

__all__ = ["RunBlocking", "run_blocking"]

T = TypeVar("T")
MOST_LEFT = 8
"""Threads whose work may be left to itself. Each that hangs is one less, and the others, which look up names, must not run out with them."""
_may_hang: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("threads that may be left")


class RunBlocking(Protocol):
    """Runs a function that blocks, and returns what it returns."""

    async def __call__(self, function: Callable[[], T], /, *, abandon: bool = False) -> T:
        """Run it. What it must not do: touch anything of Trio's, or anything that the caller changes meanwhile.

        Args:
            function: the work. Chance and time that it needs are handed in by the caller.
            abandon: when cancelled, leave it to itself; its result and its exception are dropped, and what it has begun it may still do.
                While many of these have not come back, another one waits. Otherwise a cancellation waits until it has returned, and then is lost: the next checkpoint finds it.
        """
        ...


async def run_blocking(function: Callable[[], T], /, *, abandon: bool = False) -> T:
    """Run it in a thread of Trio's."""
    refuse_under_virtual_time("threads", "Outside(run_blocking=sluicegate.testing.run_inline)")
    return await trio.to_thread.run_sync(function, abandon_on_cancel=abandon, limiter=_for_what_may_hang() if abandon else None)


def _for_what_may_hang() -> trio.CapacityLimiter:
    try:
        return _may_hang.get()
    except LookupError:
        limiter = trio.CapacityLimiter(MOST_LEFT)
        _may_hang.set(limiter)
        return limiter
