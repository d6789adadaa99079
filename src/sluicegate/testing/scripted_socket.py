"""A scripted backend as a WebSocket server, on a network in memory or on any other listener."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
import wsproto
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, RejectConnection, Request, TextMessage

from ..channel.outbox import Frame
from .backend import ScriptedBackend
from .scripted_program import FarSession

__all__ = ["serve_websocket"]

MOST_READ = 65536
LOST = 1011
"""The close code where the script loses the connection."""


async def serve_websocket(
    backend: ScriptedBackend, listener: trio.abc.Listener[trio.abc.Stream], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Be what a gateway reaches at a ``ws://`` address, until cancelled.

    Example::

        (listener,) = await world.network.listen("127.0.0.1", 8081)
        await nursery.start(serve_websocket, backend, listener)
    """
    async with listener, trio.open_nursery() as nursery:
        task_status.started()
        while True:
            nursery.start_soon(_converse, backend, await listener.accept())


async def _converse(backend: ScriptedBackend, stream: trio.abc.Stream) -> None:
    socket = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    async with stream:
        with suppress(trio.BrokenResourceError):
            if await _shake(backend, stream, socket):
                await _play(backend, stream, socket)


async def _shake(backend: ScriptedBackend, stream: trio.abc.Stream, socket: wsproto.WSConnection) -> bool:
    """Take the connection, unless the backend refuses; whether it stands."""
    while data := bytes(await stream.receive_some(MOST_READ)):
        socket.receive_data(data)
        for event in socket.events():
            if isinstance(event, Request):
                answer = RejectConnection(status_code=503) if backend.refuse else AcceptConnection(subprotocol="mcp")
                await stream.send_all(socket.send(answer))
                return not backend.refuse
    return False


async def _play(backend: ScriptedBackend, stream: trio.abc.Stream, socket: wsproto.WSConnection) -> None:
    session, sending = FarSession(backend.name), trio.Lock()

    async def send(event: Event) -> None:
        async with sending:
            await stream.send_all(socket.send(event))

    backend.sessions.append(session)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, stream, socket, session, send)
            nursery.start_soon(backend.converse, session)
            async for message in session.heard:
                await send(TextMessage(message.decode()))
            if socket.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
                await send(CloseConnection(LOST))
            nursery.cancel_scope.cancel()
    finally:
        session.close("the connection has ended")
        backend.sessions.remove(session)


async def _read(
    stream: trio.abc.Stream, socket: wsproto.WSConnection, session: FarSession, send: Callable[[Event], Awaitable[None]]
) -> None:
    parts: list[str] = []
    while session.is_open and (data := bytes(await stream.receive_some(MOST_READ))):
        socket.receive_data(data)
        for event in socket.events():
            if isinstance(event, Ping):
                await send(event.response())
            else:
                _take(event, parts, session)
    session.close("the gateway has gone")


def _take(event: Event, parts: list[str], session: FarSession) -> None:
    if isinstance(event, TextMessage):
        parts.append(event.data)
        if event.message_finished:
            session.outbox.put(Frame("".join(parts).encode()))
            parts.clear()
    elif isinstance(event, CloseConnection):
        session.close("the gateway has closed the connection")
