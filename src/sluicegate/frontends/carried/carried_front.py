"""Clients that have a connection each, whatever carries it: how they begin, and that they end with the gateway."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs
import trio

from ..endpoint import Endpoint
from ..session_table import SessionTable
from ..stdio import serve_stdio
from .session_places import TablePlaces

__all__ = ["Carried", "ClientLines"]

_DRAINS = "the gateway drains"

FIRST_SECONDS = 30.0
"""How long the first message may take. Who has said something may be silent for as long as he likes: his connection counts as a stream."""


class ClientLines(Protocol):
    """What the client says."""

    heard: bool
    """Something has come."""

    def carry(self, on_gone: Callable[[], None]) -> trio.abc.ReceiveStream:
        """As lines; ``on_gone`` is to be called when the client has gone, since nobody takes the answers to its calls any more."""
        ...


@attrs.define(eq=False, repr=False)
class Carried:
    """All of them."""

    endpoint: Endpoint
    table: SessionTable
    drain_seconds: float
    _open: dict[trio.CancelScope, None] = attrs.field(factory=dict, init=False)
    _hung_up: bool = attrs.field(default=False, init=False)

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, places: TablePlaces, incoming: ClientLines, outgoing: trio.abc.SendStream) -> None:
        """Serve one client until it goes, its session or its token ends, or the gateway drains; calls that are open then get their time.

        What is said later shows no token, or another one, so the one that opened the connection counts.
        """
        scope, standing = trio.CancelScope(), self.endpoint.waits.standing
        places.on_end = scope.cancel
        self._open[scope] = None
        standing.begin(places, places.principal)
        if self._hung_up:  # while it was being opened
            scope.cancel(reason=_DRAINS)
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_wait_for_first, incoming, scope)
                    stdin = incoming.carry(places.lose)
                    await serve_stdio(self.endpoint, stdin, outgoing, drain_seconds=self.drain_seconds, places=places)
                    nursery.cancel_scope.cancel(reason="the client is served")
        finally:
            del self._open[scope]
            standing.end(places)

    def hang_up(self) -> None:
        """The gateway drains: nothing more is read from them."""
        self._hung_up = True
        self.table.listeners.chores.do([partial(scope.cancel, reason=_DRAINS) for scope in self._open])


async def _wait_for_first(incoming: ClientLines, scope: trio.CancelScope) -> None:
    await trio.sleep(FIRST_SECONDS)
    if not incoming.heard:
        scope.cancel(reason="it has said nothing")
