"""An ASGI application as an HTTP transport in memory: streams flow while the application runs, and a closed answer is a disconnect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import attrs
import httpx2
import trio

from sluicegate.http1.asgi import ASGIApp, Message
from sluicegate.http1.server.server import HangUp

__all__ = ["AsgiTransport", "HangUp"]

PIECES = 16
"""Pieces of a body that the application may be ahead of its reader."""


@attrs.define(eq=False)
class AsgiTransport(httpx2.AsyncBaseTransport):
    """Runs every request as a task in ``nursery``; what an application raises, other than `HangUp`, ends up there."""

    app: ASGIApp
    nursery: trio.Nursery
    down: bool = False
    """Whether connections are refused."""
    client: tuple[str, int] = ("127.0.0.1", 50000)
    """Where requests seem to come from."""
    requests: int = attrs.field(default=0, init=False)
    """Requests that reached the application."""
    open_answers: int = attrs.field(default=0, init=False)
    """Answers that nobody has closed yet."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Run the application until its answer begins."""
        body = await request.aread()
        await trio.lowlevel.checkpoint()
        if self.down:
            raise httpx2.ConnectError("connection refused", request=request)
        self.requests += 1
        exchange = _Exchange(self, body)
        self.nursery.start_soon(exchange.run, _scope(request, self.client))
        try:
            await exchange.begun.wait()
        except trio.Cancelled:
            exchange.disconnect()
            raise
        if exchange.status is None:
            raise httpx2.RemoteProtocolError("server disconnected without sending a response", request=request)
        self.open_answers += 1
        return httpx2.Response(exchange.status, headers=exchange.headers, stream=_Body(exchange), request=request)


@attrs.define(eq=False)
class _Exchange:
    """One request and its answer."""

    transport: AsgiTransport
    body: bytes
    status: int | None = None
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    begun: trio.Event = attrs.field(factory=trio.Event)
    gone: trio.Event = attrs.field(factory=trio.Event)
    """The client has left, or has the whole answer."""
    complete: bool = False
    closed: bool = False
    asked: bool = False
    send_part: trio.MemorySendChannel[bytes] = attrs.field(init=False)
    receive_part: trio.MemoryReceiveChannel[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.send_part, self.receive_part = trio.open_memory_channel[bytes](PIECES)

    async def run(self, scope: dict[str, Any]) -> None:
        try:
            await self.transport.app(scope, self.receive, self.send)
        except HangUp:
            pass
        except OSError:
            if not self.gone.is_set():
                raise
        finally:
            self.send_part.close()
            self.begun.set()

    async def receive(self) -> Message:
        await trio.lowlevel.checkpoint()
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            self.headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            self.begun.set()
            return
        try:
            if message.get("body"):
                await self.send_part.send(bytes(message["body"]))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise OSError("the client has disconnected") from None
        if not message.get("more_body", False):
            self.complete = True
            self.send_part.close()
            self.gone.set()

    def disconnect(self) -> None:
        self.gone.set()
        self.receive_part.close()


@attrs.define(eq=False)
class _Body(httpx2.AsyncByteStream):
    exchange: _Exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self  # no generator: leaving it half-read must leave nothing to finalise

    async def __anext__(self) -> bytes:
        try:
            return await self.exchange.receive_part.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            if not self.exchange.complete:
                raise httpx2.RemoteProtocolError("peer closed connection without sending complete message body") from None
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        if not self.exchange.closed:
            self.exchange.closed = True
            self.exchange.transport.open_answers -= 1
        self.exchange.disconnect()
        await trio.lowlevel.checkpoint()


def _scope(request: httpx2.Request, client: tuple[str, int]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": client,
        "server": (request.url.host, request.url.port),
        "state": {},
    }
