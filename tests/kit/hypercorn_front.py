"""Hypercorn's parts on a network in memory, an application behind them, and clients that speak HTTP/2 as they want."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import h2.config
import h2.connection
import h2.events
import trio

from sluicegate.http1.asgi import ASGIApp, Receive, Scope, Send
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.hypercorn.server import serve
from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream

__all__ = ["SETTINGS", "Front", "Http2", "app", "client_config", "front", "rest", "speak"]

SETTINGS = ServerSettings(head_seconds=10, body_seconds=20, write_seconds=30, idle_seconds=60, min_rate=500)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how long the body was; ``/early`` does not read it, ``/large`` answers at length, ``/slow`` after five seconds."""
    assert scope["type"] != "websocket"
    size = 0
    while scope["path"] != "/early":
        event = await receive()
        size += len(event.get("body", b""))
        if not event.get("more_body"):
            break
    if scope["path"] == "/slow":
        await trio.sleep(5)
    body = b"x" * 1_000_000 if scope["path"] == "/large" else b"%d bytes by %s" % (size, scope["scheme"].encode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@attrs.define(eq=False)
class Front:
    network: MemoryNetwork
    accept: trio.CancelScope
    """Ends the accepting, and nothing else."""
    connections: trio.Nursery
    application: ASGIApp
    begun: int = 0

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += scope["type"] == "http"
        await self.application(scope, receive, send)

    async def connect(self) -> MemoryStream:
        return await self.network.open_stream("127.0.0.1", 40000)

    @property
    def connected(self) -> int:
        """Connections that have not ended."""
        return len([task for task in self.connections.child_tasks if "carry" in task.name])


@asynccontextmanager
async def front(settings: ServerSettings = SETTINGS, application: ASGIApp = app) -> AsyncGenerator[Front, None]:
    network = MemoryNetwork()
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accept:
            listeners = await network.listen("127.0.0.1", 0)

            gate = Front(network, trio.CancelScope(), connections, application)

            async def accepting(*, task_status: trio.TaskStatus[list[str]]) -> None:
                with gate.accept:
                    await serve(gate.app, listeners, connections=connections, settings=settings, task_status=task_status)

            await accept.start(accepting)
            yield gate
            gate.accept.cancel()
        connections.cancel_scope.cancel()


async def rest(stream: trio.abc.ReceiveStream) -> bytes:
    """All that comes, up to the end or the break of the connection."""
    data = b""
    try:
        while part := await stream.receive_some():
            data += part
    except trio.BrokenResourceError:
        pass
    return data


@attrs.define(eq=False)
class Http2:
    """A client that speaks HTTP/2 without TLS, as it wants."""

    stream: trio.abc.Stream
    wire: h2.connection.H2Connection = attrs.field(factory=lambda: h2.connection.H2Connection(client_config()))
    events: list[h2.events.Event] = attrs.field(factory=list)

    async def flush(self) -> None:
        if data := self.wire.data_to_send():
            await self.stream.send_all(data)

    async def request(self, stream_id: int, path: str | bytes, *, method: str = "GET", end: bool = True) -> None:
        self.wire.send_headers(
            stream_id, [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)], end_stream=end
        )
        await self.flush()

    async def read(self) -> bool:
        """What has come; False at the end."""
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:
            return False
        self.events += self.wire.receive_data(data)
        await self.flush()
        return bool(data)

    async def wait_for(self, kind: type[h2.events.Event], stream_id: int | None = None) -> Any:
        while True:
            for event in self.events:
                if isinstance(event, kind) and (stream_id is None or getattr(event, "stream_id", None) == stream_id):
                    return event
            assert await self.read(), self.events

    async def answer(self, stream_id: int) -> tuple[Mapping[bytes, bytes], bytes]:
        """Status, headers and body."""
        await self.wait_for(h2.events.StreamEnded, stream_id)
        head = await self.wait_for(h2.events.ResponseReceived, stream_id)
        parts = [event.data for event in self.events if isinstance(event, h2.events.DataReceived) and event.stream_id == stream_id]
        return dict(head.headers), b"".join(part or b"" for part in parts)

    async def change_its_mind(self) -> None:
        """Take back every request as soon as it was sent."""
        for stream_id in itertools.count(1, 2):
            self.wire.send_headers(
                stream_id, [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/slow")], end_stream=True
            )
            self.wire.reset_stream(stream_id)
            if stream_id % 200 == 1:
                await self.flush()


def client_config() -> h2.config.H2Configuration:
    return h2.config.H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False)


async def speak(gate: Front) -> Http2:
    client = Http2(await gate.connect())
    client.wire.initiate_connection()
    await client.flush()
    return client
