"""Threads of servers in the process: the SDK runs a tool that is a plain function in one, and a clock that jumps does not wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import trio
import trio.testing

__all__ = ["threads_inline"]

T = TypeVar("T")


class _Inside:
    """How many blocks are open, and what is put back when the last one is left; blocks may end in any order."""

    number = 0
    before: Callable[..., Any]


@contextmanager
def threads_inline() -> Iterator[None]:
    """Inside of the block, what asks anyio for a thread runs in its place, if the clock is a mock clock.

    The function itself is replaced, because the SDK can be given nothing else. On a real clock, and in an event loop that is not Trio, the
    replacement does what the function did.
    """
    from anyio import to_thread

    if not _Inside.number:
        _Inside.before = to_thread.run_sync
        to_thread.run_sync = _run_sync  # type: ignore[assignment]  # it takes the same arguments
    _Inside.number += 1
    try:
        yield
    finally:
        _Inside.number -= 1
        if not _Inside.number:
            to_thread.run_sync = _Inside.before  # type: ignore[assignment]


async def _run_sync(function: Callable[..., T], *args: Any, **options: Any) -> Any:
    if not _is_virtual():
        return await _Inside.before(function, *args, **options)
    await trio.lowlevel.checkpoint()
    return function(*args)


def _is_virtual() -> bool:
    return trio.lowlevel.in_trio_run() and isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)
