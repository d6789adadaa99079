"""An ASGI server for HTTP/1.1 in clear text, on any Trio streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import attrs
import trio

from ...telling.loggers import get_logger
from ..asgi import ON_DISCONNECT, ASGIApp
from ..sockets import hold_little_back, quicken
from .accepting import accept_all, accept_waiting
from .connection import ServerConnection
from .connection_limit import ConnectionLimit
from .forwarded import peer_of
from .guests import Guests
from .hang_up import HangUp
from .lifespan import Lifespan, StartUpFailed
from .plain_answers import FULL, plain_answer
from .response_writer import DateLine
from .settings import ServerSettings
from .shared import Serving
from .urls import url_of

__all__ = ["ON_DISCONNECT", "HangUp", "ServerSettings", "StartUpFailed", "serve"]

log = get_logger("sluicegate.http1")

TURNED_AWAY_SECONDS = 1.0
"""How long a client that found no room may take to take the answer."""
MOST_TURNED_AWAY = 64
"""So many at a time; who comes on top is not even told."""
MOST_DROPPED = 65_536
"""Bytes of what they ask that are read, because closing with unread bytes would reset the connection, and cost them the answer."""


async def serve(
    app: ASGIApp,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    connections: trio.Nursery,
    settings: ServerSettings | None = None,
    connection_limit: ConnectionLimit | None = None,
    wall: Callable[[], float] = time.time,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept until cancelled; reports the addresses as URLs.

    Connections live on in ``connections``. When the accepting ends, idle ones are closed at once and the others after the response they are
    at; then the application's lifespan ends, and nothing of the server is left in there. Cancelling ``connections`` cuts everything.

    ``connection_limit`` may be shared with other servers, which then have one together; else it is made of the settings.

    Raises:
        StartUpFailed: The application says so in its lifespan.
    """
    settings = settings or ServerSettings()
    connection_limit = connection_limit or ConnectionLimit(settings.max_connections, settings.max_connections_per_peer)
    server = _Server(Serving(app, settings, DateLine(wall), Lifespan(app)), connection_limit, connections)
    urls = [url_of(listener) for listener in listeners]
    try:
        failure = await connections.start(server.live)
        if failure:
            raise StartUpFailed(failure)
        task_status.started(urls)
        await server.accept(listeners)
    finally:
        server.close()
        for listener in listeners:
            await trio.aclose_forcefully(listener)


@attrs.define(eq=False, repr=False)
class _Server:
    serving: Serving
    _connection_limit: ConnectionLimit
    _connections: trio.Nursery
    guests: Guests = attrs.field(factory=Guests, init=False)
    _inside: int = attrs.field(default=0, init=False)
    """Connections that were accepted and have not ended, those included that are turned away."""
    _turned_away: int = attrs.field(default=0, init=False)
    """Of these, now."""
    _closing: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Nothing is accepted any more."""
    _empty: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Nothing is accepted any more, and the last connection has ended."""

    async def live(self, *, task_status: trio.TaskStatus[str]) -> None:
        """Keep time and the application's lifespan until the last connection has ended; reports why the application cannot start, or ""."""
        async with trio.open_nursery() as nursery:
            for runs in (self.serving.timekeeper, self.serving.newcomers, self.serving.pieces):
                nursery.start_soon(runs.run)
            async with trio.open_nursery() as application:
                task_status.started(await application.start(self.serving.lifespan.run))
                await self._closing.wait()
                await self.guests.end_idle_ones()
                await self._empty.wait()
                self.serving.lifespan.end()
            nursery.cancel_scope.cancel()

    async def accept(self, listeners: Sequence[trio.abc.Listener[trio.abc.Stream]]) -> None:
        """Accept until cancelled, and then those who are at the door already."""
        try:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(accept_all, listener, self.welcome, self.guests.end_an_idle_one, self.serving.newcomers)
        finally:
            if self.serving.settings.takes_waiting:
                for listener in listeners:
                    accept_waiting(listener, self.welcome)

    def close(self) -> None:
        """Let each connection end as soon as it has nothing to answer."""
        self.serving.closing = True
        self._closing.set()
        self._let_go()

    def _let_go(self) -> None:
        if self.serving.closing and not self._inside:
            self._empty.set()

    def welcome(self, stream: trio.abc.Stream) -> None:
        """Start the life of a connection."""
        self._inside += 1
        self._connections.start_soon(self._carry, stream)

    async def _carry(self, stream: trio.abc.Stream) -> None:
        """One connection, to its end. A bug in here costs this connection only."""
        hold_little_back(stream)
        stream = quicken(stream)
        try:
            peer = peer_of(stream, self.serving.settings.trusted)
            if not self._connection_limit.enter(peer, self.guests.end_an_idle_one):
                self._connection_limit.tell_of_refused(peer, trio.current_time())
                await self._turn_away(stream)
                return
            connection = ServerConnection(self.serving, stream, peer)
            self.guests.add(connection)
            try:
                await connection.run()
            finally:
                self.guests.remove(connection)
                self._connection_limit.leave(peer)
        except* Exception as bugs:
            log.exception("a connection failed", exc_info=bugs)
        finally:
            self._inside -= 1
            self._let_go()
            await trio.aclose_forcefully(stream)

    async def _turn_away(self, stream: trio.abc.Stream) -> None:
        if self._turned_away >= MOST_TURNED_AWAY:
            return
        self._turned_away += 1
        try:
            with trio.move_on_after(TURNED_AWAY_SECONDS), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await stream.send_all(plain_answer(FULL, self.serving.date()))
                if isinstance(stream, trio.abc.HalfCloseableStream):
                    await stream.send_eof()
                dropped = 0
                while dropped < MOST_DROPPED and (data := await stream.receive_some()):
                    dropped += len(data)
        finally:
            self._turned_away -= 1
