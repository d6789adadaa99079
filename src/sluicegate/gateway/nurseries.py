"""The nursery tree: every task of a gateway lives in one of these, so leaving the block means that nothing it started runs any more.

::

    open_gateway
    └ backends         a Supervisor per backend; in it one nursery per connection
      └ background     mirror copies, copies of hedged calls, the timer that starts those
        └ sessions     expiry of client sessions
          └ connections  per client connection one reader and one handler
            └ calls    one task per call
              └ accept   listeners; the first to be cancelled
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

__all__ = ["CLOSING_SECONDS", "Nurseries", "interrupts_as_they_came", "open_nurseries"]

CLOSING_SECONDS = 2.0
"""How long client connections may take to carry away the last replies, after the last call has ended."""


class Nurseries(msgspec.Struct, frozen=True):
    """The gateway's nursery tree, outermost first."""

    backends: trio.Nursery
    background: trio.Nursery
    sessions: trio.Nursery
    connections: trio.Nursery
    calls: trio.Nursery


@asynccontextmanager
async def open_nurseries(grace: float) -> AsyncGenerator[Nurseries, None]:
    """Open the tree. When the block ends in peace it ends from the inside outward, and calls in flight get ``grace`` seconds (T24)."""
    async with (
        _stage(_cut) as backends,
        _stage(_cut) as background,
        _stage(_cut) as sessions,
        _stage(_within(CLOSING_SECONDS)) as connections,
        _stage(_within(grace)) as calls,
    ):
        yield Nurseries(backends, background, sessions, connections, calls)


@asynccontextmanager
async def interrupts_as_they_came() -> AsyncGenerator[None, None]:
    """Let what ends a program leave as itself, whichever task it has struck: no program looks for it in groups of groups."""
    try:
        yield
    except BaseExceptionGroup as group:
        found: BaseException | None = group.subgroup((KeyboardInterrupt, SystemExit))
        if found is None:
            raise
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        assert found is not None
        raise found from group


@asynccontextmanager
async def _stage(at_end: Callable[[trio.CancelScope], None]) -> AsyncGenerator[trio.Nursery, None]:
    """A nursery of the tree. When what is inside it has ended in peace, ``at_end`` says how long its own tasks may still take."""
    async with trio.open_nursery() as nursery:
        yield nursery
        at_end(nursery.cancel_scope)


def _cut(scope: trio.CancelScope) -> None:
    scope.cancel()


def _within(seconds: float) -> Callable[[trio.CancelScope], None]:
    def limit(scope: trio.CancelScope) -> None:
        scope.deadline = trio.current_time() + seconds

    return limit
