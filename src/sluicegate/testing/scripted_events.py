"""A scripted backend as a server of HTTP+SSE, the transport of 2024, on a network in memory or on any other listener."""

from __future__ import annotations

from typing import Any

import attrs
import trio

from ..channel.outbox import Frame
from ..http1.asgi import Receive, Scope, Send
from ..http1.server.server import serve
from ..protocol.sse import format_event
from .backend import ScriptedBackend
from .scripted_program import FarSession

__all__ = ["serve_sse"]

STREAM, MESSAGES = "/sse", "/messages"


async def serve_sse(
    backend: ScriptedBackend, listener: trio.abc.Listener[trio.abc.Stream], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Be what a gateway reaches at ``http://…/sse``, until cancelled; used as `serve_websocket` is."""
    async with trio.open_nursery() as connections:
        await connections.start(_serve, _Site(backend), listener, connections)
        task_status.started()


async def _serve(site: _Site, listener: Any, connections: trio.Nursery, *, task_status: trio.TaskStatus[list[str]]) -> None:
    await serve(site, [listener], connections=connections, task_status=task_status)


@attrs.define(eq=False, repr=False)
class _Site:
    """The ASGI application."""

    backend: ScriptedBackend
    _sessions: dict[str, FarSession] = attrs.field(factory=dict, init=False)
    _opened: int = attrs.field(default=0, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["method"] == "GET" and scope["path"] == STREAM:
            await (_answer(send, 503) if self.backend.refuse else self._stream(receive, send))
        else:
            await self._take(scope, receive, send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        self._opened += 1
        key, session = f"id={self._opened}", FarSession(self.backend.name)
        self._sessions[key] = session
        self.backend.sessions.append(session)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
            await _say(send, format_event(f"{MESSAGES}?{key}".encode(), name="endpoint"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.backend.converse, session)
                nursery.start_soon(_end_with_client, receive, session)
                async for message in session.heard:
                    await _say(send, format_event(message, name="message"))
                nursery.cancel_scope.cancel()
            await send({"type": "http.response.body", "body": b""})
        finally:
            session.close("the stream has ended")
            self.backend.sessions.remove(session)
            del self._sessions[key]

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            piece = await receive()
            body, more = body + piece.get("body", b""), piece.get("more_body", False)
        session = self._sessions.get(scope["query_string"].decode())
        if session is not None and session.is_open:
            session.outbox.put(Frame(body))
        await _answer(send, 404 if session is None else 202)


async def _end_with_client(receive: Receive, session: FarSession) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    session.close("the gateway has gone")


async def _say(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
