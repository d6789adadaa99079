"""Carries the ASGI application on Hypercorn's HTTP parts, inside nurseries of our own.

Hypercorn's own ``serve`` shields every send without a bound, so one client that stops reading would block shutdown for ever. Here a send is
shielded only until its connection is told to end, and a little longer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import attrs
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from ..events import get_logger
from .request import ASGIApp

__all__ = ["serve"]

log = get_logger("sluicegate.frontend")

FAREWELL_SECONDS = 2.0
"""How long a connection that is told to end may take to send what it is sending."""
KEEP_ALIVE_SECONDS = 75.0
LONGEST_HEAD = 64 * 1024
"""Bytes of request line and headers."""
MOST_REQUESTS = 1_000_000
"""Requests on one connection."""


async def serve(
    app: ASGIApp,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    connections: trio.Nursery,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept until cancelled; reports the addresses as URLs. Connections live on in ``connections``; idle ones end with the accepting."""
    server = _Server(app)
    task_status.started([_url(listener) for listener in listeners])
    try:
        await trio.serve_listeners(server.carry, list(listeners), handler_nursery=connections)
    finally:
        server.end_idle()


def _url(listener: trio.abc.Listener[trio.abc.Stream]) -> str:
    socket = getattr(listener, "socket", None)
    if socket is None:
        return "http://memory"
    host, port = socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@attrs.define(eq=False)
class _Server:
    app: ASGIApp
    _wrapped: ASGIWrapper = attrs.field(init=False)
    _config: Config = attrs.field(init=False)
    _context: WorkerContext = attrs.field(factory=lambda: WorkerContext(None), init=False)

    def __attrs_post_init__(self) -> None:
        self._wrapped = ASGIWrapper(cast("Any", self.app))
        self._config = _settings()

    async def carry(self, stream: trio.abc.Stream) -> None:
        """One connection, to its end; a bug in here costs this connection only."""
        try:
            await _Connection(self._wrapped, self._config, self._context, {}, stream)
        except* Exception as bugs:
            log.exception("a connection failed", exc_info=bugs)
        finally:
            await trio.aclose_forcefully(stream)

    def end_idle(self) -> None:
        """Close connections that wait for a request, and others after the one they have."""
        cast("Any", self._context.terminated)._event.set()  # noqa: SLF001  its own set() is async only to please asyncio


def _settings() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.keep_alive_max_requests = MOST_REQUESTS
    config.h11_max_incomplete_size = LONGEST_HEAD
    return config


class _Connection(TCPServer):
    """Hypercorn's connection on any stream, with bounded sends."""

    stream: Any

    def __init__(self, app: ASGIWrapper, config: Config, context: WorkerContext, state: dict[str, Any], stream: trio.abc.Stream) -> None:
        super().__init__(app, config, context, state, cast("Any", stream))
        self._sending: trio.CancelScope | None = None
        self._last_moment = float("inf")

    async def run(self) -> None:
        """Read requests until the client goes or the connection is cancelled."""
        client, own = _names(self.stream)
        try:
            async with TaskGroup() as tasks:
                nursery = cast("trio.Nursery", tasks._nursery)  # noqa: SLF001  what it calls its own
                self._task_group = tasks
                self.protocol = ProtocolWrapper(
                    self.app,
                    self.config,
                    self.context,
                    tasks,
                    ConnectionState(self.state),
                    False,
                    client,
                    own,
                    self.protocol_send,
                    "http/1.1",
                )
                await self.protocol.initiate()
                await self.idle_task.restart(tasks, self._idle_timeout)
                ear = trio.CancelScope()
                nursery.start_soon(self._hear_the_end, ear)
                try:
                    await self._read_data()
                finally:
                    ear.cancel(reason="the client has gone")
        except* OSError:
            pass
        finally:
            await trio.aclose_forcefully(self.stream)

    async def _hear_the_end(self, ear: trio.CancelScope) -> None:
        """Set a limit to shielded sends as soon as the connection is cancelled: a send itself cannot notice."""
        with ear:
            try:
                await trio.sleep_forever()
            finally:
                self._last_moment = trio.current_time() + FAREWELL_SECONDS
                if self._sending is not None:
                    self._sending.deadline = self._last_moment

    async def protocol_send(self, event: Event) -> None:
        """Send bytes whole or not at all, unless time runs out."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            with trio.CancelScope(shield=True, deadline=self._last_moment) as self._sending:
                try:
                    await self.stream.send_all(event.data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    await self.protocol.handle(Closed())
            cut, self._sending = self._sending.cancelled_caught, None
            if cut:
                await trio.aclose_forcefully(self.stream)

    async def _close(self) -> None:
        """Half-close, so that the client reads the last reply, then close, which must happen even when cancelled."""
        try:
            if isinstance(self.stream, trio.abc.HalfCloseableStream):
                await self.stream.send_eof()
        except (trio.BrokenResourceError, trio.BusyResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(self.stream)


def _names(stream: trio.abc.Stream) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """Both ends of a socket; None for other streams."""
    socket = getattr(stream, "socket", None)
    if socket is None:
        return None, None
    try:
        return socket.getpeername()[:2], socket.getsockname()[:2]
    except OSError:  # the client has gone already
        return None, None
