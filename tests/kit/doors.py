"""Ways into a gateway for an HTTP client in memory: straight to the application, or through the listener. A client may let go at any moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

import attrs
import h11
import httpx2
import trio
from tests.kit.asgi import AsgiTransport

from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream

__all__ = ["AsgiDoor", "Cut", "Door", "RawDoor", "Response"]

MOST_READ = 4096
"""Bytes that are taken from a stream at once."""


class Cut(Exception):
    """The connection ended before the answer did."""


@attrs.frozen
class Response:
    """An answer whose body is read piece by piece."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    read: Callable[[], Awaitable[bytes]]
    """The next piece; an empty one is the end. Raises `Cut`."""

    async def read_all(self) -> bytes:
        """The rest of the body; raises `Cut`."""
        data = b""
        while part := await self.read():
            data += part
        return data


class Door(Protocol):
    """A way in. Leaving the block before the answer has ended is a disconnect."""

    def request(self, method: str, headers: Mapping[str, str], body: bytes) -> AbstractAsyncContextManager[Response]:
        """Send a request to ``/mcp``; raises `Cut`."""
        ...


@attrs.frozen(eq=False)
class AsgiDoor:
    """Straight to the application."""

    transport: AsgiTransport

    @asynccontextmanager
    async def request(self, method: str, headers: Mapping[str, str], body: bytes) -> AsyncGenerator[Response, None]:
        """Send a request to ``/mcp``; raises `Cut`."""
        request = httpx2.Request(method, "http://localhost/mcp", headers=dict(headers), content=body)
        try:
            response = await self.transport.handle_async_request(request)
        except httpx2.TransportError as error:
            raise Cut(str(error)) from None
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        parts = aiter(stream)

        async def read() -> bytes:
            try:
                return await anext(parts, b"")
            except httpx2.TransportError as error:
                raise Cut(str(error)) from None

        try:
            yield Response(response.status_code, response.headers, read)
        finally:
            with trio.CancelScope(shield=True):  # closing takes no time in memory
                await stream.aclose()


@attrs.frozen(eq=False)
class RawDoor:
    """Through the listener on port ``port`` of a network, over connections that are used again."""

    network: MemoryNetwork
    port: int = 8080
    _idle: list[tuple[MemoryStream, h11.Connection]] = attrs.field(factory=list, init=False)

    @asynccontextmanager
    async def request(self, method: str, headers: Mapping[str, str], body: bytes) -> AsyncGenerator[Response, None]:
        """Send a request to ``/mcp``; raises `Cut`."""
        stream, wire = self._idle.pop() if self._idle else await self._connect()
        try:
            own = [("Host", "localhost"), ("Content-Length", str(len(body)))]
            head = h11.Request(method=method, target="/mcp", headers=[*own, *headers.items()])
            data = [wire.send(event) or b"" for event in (head, h11.Data(data=body), h11.EndOfMessage())]
            with suppress(trio.BrokenResourceError):  # it may have been answered before it was read
                await stream.send_all(b"".join(data))
            start = await _next_event(stream, wire)
            assert isinstance(start, h11.Response), start

            async def read() -> bytes:
                event = await _next_event(stream, wire)
                return bytes(event.data) if isinstance(event, h11.Data) else b""

            yield Response(start.status_code, {name.decode(): value.decode() for name, value in start.headers}, read)
        finally:
            if wire.our_state is wire.their_state is h11.DONE:
                wire.start_next_cycle()
                self._idle.append((stream, wire))
            else:
                await trio.aclose_forcefully(stream)

    async def _connect(self) -> tuple[MemoryStream, h11.Connection]:
        try:
            return await self.network.open_stream("127.0.0.1", self.port), h11.Connection(h11.CLIENT)
        except OSError as error:
            raise Cut(str(error)) from None

    async def aclose(self) -> None:
        """Close the connections that wait to be used again."""
        while self._idle:
            await trio.aclose_forcefully(self._idle.pop()[0])


async def _next_event(stream: MemoryStream, wire: h11.Connection) -> object:
    try:
        while (event := wire.next_event()) is h11.NEED_DATA:
            wire.receive_data(bytes(await stream.receive_some(MOST_READ)))
    except (h11.RemoteProtocolError, trio.BrokenResourceError) as error:
        raise Cut(str(error)) from None
    if isinstance(event, h11.ConnectionClosed):
        raise Cut("the connection was closed")
    return event
