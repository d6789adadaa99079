"""Carries the ASGI application on Hypercorn's HTTP parts, inside nurseries of our own: for TLS and HTTP/2, which our own server does not speak.

Hypercorn's own ``serve`` shields every send without a bound, so one client that stops reading would block shutdown for ever, and it has no
limits to slow requests or to the number of connections. Here a send is shielded only until its connection is told to end, and a little
longer, and the limits are those of our own server as far as they can be had.
"""

from __future__ import annotations

import logging
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import attrs
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from ..http1.asgi import ASGIApp
from ..http1.fair_turns import FairTurns
from ..http1.server.accepting import accept_all, newcomers
from ..http1.server.connection_limit import ConnectionLimit
from ..http1.server.dates import date_headers
from ..http1.server.forwarded import peer_of
from ..http1.server.guests import Guests
from ..http1.server.lifespan import Lifespan, StartUpFailed
from ..http1.server.settings import ServerSettings
from ..http1.server.urls import url_of
from ..http1.timekeeper import Timekeeper
from ..telling.loggers import get_logger
from .connection import HypercornConnection
from .socket_stream import SILENCE_SECONDS

__all__ = ["serve"]

log = get_logger("sluicegate.frontend")


async def serve(
    app: ASGIApp,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    connections: trio.Nursery,
    settings: ServerSettings | None = None,
    connection_limit: ConnectionLimit | None = None,
    wall: Callable[[], float] = time.time,
    tls: ssl.SSLContext | None = None,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept until cancelled; reports the addresses as URLs. Connections live on in ``connections``; idle ones end with the accepting.

    Raises:
        StartUpFailed: The application says so in its lifespan.
    """
    settings = settings or ServerSettings()
    limit = connection_limit or ConnectionLimit(settings.max_connections, settings.max_connections_per_peer)
    server = _Server(settings, Lifespan(app), wall, limit)

    def welcome(stream: trio.abc.Stream) -> None:
        connections.start_soon(server.carry, stream)

    carriers = [_secure(listener, tls) for listener in listeners]
    try:
        if failure := await connections.start(server.live):
            raise StartUpFailed(failure)
        task_status.started([url_of(listener) for listener in carriers])
        async with trio.open_nursery() as accepting:
            for listener in carriers:
                accepting.start_soon(accept_all, listener, welcome, server.guests.end_an_idle_one, server.newcomers)
    finally:
        server.close()
        for listener in carriers:
            await trio.aclose_forcefully(listener)


def _secure(listener: trio.abc.Listener[trio.abc.Stream], tls: ssl.SSLContext | None) -> trio.abc.Listener[Any]:
    return listener if tls is None else trio.SSLListener(listener, tls, https_compatible=True)


@attrs.define(eq=False, repr=False)
class _Server:
    settings: ServerSettings
    lifespan: Lifespan
    wall: Callable[[], float]
    _connection_limit: ConnectionLimit
    timekeeper: Timekeeper = attrs.field(factory=Timekeeper, init=False)
    newcomers: FairTurns = attrs.field(factory=newcomers, init=False)
    _wrapped: ASGIWrapper = attrs.field(init=False)
    _config: Config = attrs.field(init=False)
    _context: WorkerContext = attrs.field(factory=lambda: WorkerContext(None), init=False)
    guests: Guests = attrs.field(factory=Guests, init=False)
    _inside: int = attrs.field(default=0, init=False)
    _empty: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Nothing is accepted any more, and the last connection has ended."""

    def __attrs_post_init__(self) -> None:
        self._wrapped = ASGIWrapper(cast("Any", self.lifespan.app))
        self._config = _Words(self.settings, self.wall)

    async def live(self, *, task_status: trio.TaskStatus[str]) -> None:
        """Keep time and the application's lifespan until the last connection has ended; reports why the application cannot start, or ""."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.timekeeper.run)
            nursery.start_soon(self.newcomers.run)
            async with trio.open_nursery() as application:
                task_status.started(await application.start(self.lifespan.run))
                await self._context.terminated.wait()
                await self.guests.end_idle_ones()
                await self._empty.wait()
                self.lifespan.end()
            nursery.cancel_scope.cancel(reason="the last connection has ended")

    async def carry(self, stream: trio.abc.Stream) -> None:
        """One connection, to its end; a bug in here costs this connection only."""
        peer = peer_of(getattr(stream, "transport_stream", stream), self.settings.trusted)
        if self._context.terminated.is_set():
            await trio.aclose_forcefully(stream)
            return
        if not self._connection_limit.enter(peer, self.guests.end_an_idle_one):
            self._connection_limit.tell_of_refused(peer, trio.current_time())
            await trio.aclose_forcefully(stream)
            return
        state = self.lifespan.state or {}
        connection = HypercornConnection(self._wrapped, self._config, self._context, stream, peer, self.settings, self.timekeeper, state)
        self.guests.add(connection)
        self._inside += 1
        try:
            await connection.run()
        except* Exception as bugs:
            log.exception("a connection failed", exc_info=bugs)
        finally:
            self.guests.remove(connection)
            self._inside -= 1
            self._connection_limit.leave(peer)
            self._let_go()
            await trio.aclose_forcefully(stream)

    def close(self) -> None:
        """Close connections that wait for a request, and others after the one they have."""
        cast("Any", self._context.terminated)._event.set()  # noqa: SLF001  its own set() is async only to please asyncio
        self._let_go()

    def _let_go(self) -> None:
        if self._context.terminated.is_set() and not self._inside:
            self._empty.set()


class _Words(Config):
    """The same in Hypercorn's words; times are kept by us."""

    def __init__(self, settings: ServerSettings, wall: Callable[[], float]) -> None:
        super().__init__()
        self._wall = wall
        self.takes_sockets = settings.takes_sockets
        self.websocket_ping_interval = SILENCE_SECONDS
        self.limits = settings.head
        self.on_refused = settings.on_refused
        self.errorlog = logging.getLogger("hypercorn.error")
        self.keep_alive_max_requests = sys.maxsize
        self.h2_max_header_list_size = settings.head.head

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:  # noqa: ARG002  the same for both
        """What every answer carries: the date, and not what we are made of."""
        return date_headers(self._wall())
