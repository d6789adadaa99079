"""An ASGI server for HTTP/1.1 in clear text, on any Trio streams."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from itertools import islice

import attrs
import trio

from ..events import get_logger
from .connection import Connection
from .cycle import ON_DISCONNECT, HangUp
from .doors import Doors
from .forwarded import peer_of
from .lifespan import ASGIApp, Lifespan, StartUpFailed
from .response_head import FULL, DateLine, plain_answer
from .serving import Serving
from .settings import ServerSettings
from .sockets import quicken

__all__ = ["ON_DISCONNECT", "HangUp", "ServerSettings", "StartUpFailed", "serve"]

log = get_logger("sluicegate.http1")

LOOKED_AT = 64
"""Connections of a full server that are looked at for an idle one when another client comes."""
TURNED_AWAY_SECONDS = 1.0
"""How long a client that found no room may take to take the answer."""


async def serve(
    app: ASGIApp,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    connections: trio.Nursery,
    settings: ServerSettings | None = None,
    doors: Doors | None = None,
    wall: Callable[[], float] = time.time,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept until cancelled; reports the addresses as URLs.

    Connections live on in ``connections``. When the accepting ends, idle ones are closed at once and the others after the response they are
    at; then the application's lifespan ends, and nothing of the server is left in there. Cancelling ``connections`` cuts everything.

    ``doors`` may be shared with other servers, which then have one limit together; else it is made of the settings.

    Raises:
        StartUpFailed: The application says so in its lifespan.
    """
    settings = settings or ServerSettings()
    doors = doors or Doors(settings.max_connections, settings.max_connections_per_peer)
    server = _Server(Serving(app, settings, DateLine(wall), Lifespan(app)), doors)
    urls = [_url(listener) for listener in listeners]
    try:
        failure = await connections.start(server.live)
        if failure:
            raise StartUpFailed(failure)
        task_status.started(urls)
        await trio.serve_listeners(server.carry, list(listeners), handler_nursery=connections)
    finally:
        server.close()
        for listener in listeners:
            await trio.aclose_forcefully(listener)


def _url(listener: trio.abc.Listener[trio.abc.Stream]) -> str:
    own = getattr(listener, "socket", None)
    if own is None:
        return "http://memory"
    if own.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{own.getsockname()}"
    host, port = own.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@attrs.define(eq=False)
class _Server:
    serving: Serving
    _doors: Doors
    _open: dict[Connection, None] = attrs.field(factory=dict, init=False)
    """In the order in which they are looked at when one must make room."""
    _empty: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Nothing is accepted any more, and the last connection has ended."""

    async def live(self, *, task_status: trio.TaskStatus[str]) -> None:
        """Keep time and the application's lifespan until the last connection has ended; reports why the application cannot start, or ""."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.serving.timekeeper.run)
            async with trio.open_nursery() as application:
                failure = await application.start(self.serving.lifespan.run)
                if failure:
                    self.close()
                task_status.started(failure)
                await self._empty.wait()
                self.serving.lifespan.end()
            nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Let each connection end as soon as it has nothing to answer."""
        self.serving.closing = True
        for connection in list(self._open):
            connection.end_if_idle()
        self._let_go()

    def _let_go(self) -> None:
        if self.serving.closing and not self._open:
            self._empty.set()

    async def carry(self, stream: trio.abc.Stream) -> None:
        """One connection, to its end. A bug in here costs this connection only."""
        stream = quicken(stream)
        peer = peer_of(stream, self.serving.settings.trusted)
        if self.serving.closing:
            await trio.aclose_forcefully(stream)
        elif not self._doors.enter(peer, in_place_of_another=self._doors.is_full and self._end_an_idle_one()):
            await self._turn_away(stream)
        else:
            connection = Connection(self.serving, stream, peer)
            self._open[connection] = None
            try:
                await connection.run()
            except* Exception as bugs:
                log.exception("a connection failed", exc_info=bugs)
            finally:
                del self._open[connection]
                self._doors.leave(peer)
                self._let_go()
                await trio.aclose_forcefully(stream)

    def _end_an_idle_one(self) -> bool:
        """Let a connection that waits for its next request make room, if one of those that were not looked at for longest does."""
        for connection in list(islice(self._open, LOOKED_AT)):
            if connection.end_if_idle():
                return True
            del self._open[connection]
            self._open[connection] = None
        return False

    async def _turn_away(self, stream: trio.abc.Stream) -> None:
        try:
            with trio.move_on_after(TURNED_AWAY_SECONDS):
                await stream.send_all(plain_answer(FULL, self.serving.date()))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)
