"""An ASGI application behind the real HTTP/1.1 server on a network in memory, and clients that are played by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio
import trio.testing

from sluicegate.http1.asgi import ASGIApp
from sluicegate.http1.server.server import ServerSettings, serve
from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream

__all__ = ["GET", "Answer", "Front", "HandClient", "open_front"]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
MOST_READ = 65_536


@attrs.frozen
class Answer:
    """One response."""

    status: int
    headers: Mapping[str, str]
    """Names as they were sent, in lower case."""
    body: bytes


@attrs.define(eq=False)
class HandClient:
    """A client whose bytes a test writes."""

    stream: MemoryStream
    _data: bytes = attrs.field(default=b"", init=False)

    async def say(self, *pieces: bytes) -> None:
        """Send bytes; each further piece is sent when the server has nothing left to do with the one before."""
        for number, piece in enumerate(pieces):
            if number:
                await trio.testing.wait_all_tasks_blocked()
            await self.stream.send_all(piece)

    async def answer(self, method: str = "GET") -> Answer:
        """The next response, interim ones included, to a request with this method."""
        head, _, self._data = (await self._up_to(b"\r\n\r\n")).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split(" ", 2)[1])
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Answer(status, headers, b"")
        return Answer(status, headers, await self._body(headers))

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return await self._chunks()
        if "content-length" not in headers:
            return await self.rest()
        size = int(headers["content-length"])
        while len(self._data) < size:
            await self._more()
        body, self._data = self._data[:size], self._data[size:]
        return body

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size, _, self._data = (await self._up_to(b"\r\n")).partition(b"\r\n")
            length = int(size, 16)
            while len(self._data) < length + 2:
                await self._more()
            body += self._data[:length]
            assert self._data[length : length + 2] == b"\r\n"
            self._data = self._data[length + 2 :]
            if length == 0:
                return body

    async def _up_to(self, end: bytes) -> bytes:
        while end not in self._data:
            await self._more()
        return self._data

    async def _more(self) -> None:
        data = await self.stream.receive_some(MOST_READ)
        assert data, f"the server has closed the connection after {self._data!r}"
        self._data += data

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            while data := await self.stream.receive_some(MOST_READ):
                self._data += data
        except trio.BrokenResourceError:
            self._data += b"<reset>"
        rest, self._data = self._data, b""
        return rest

    async def close(self) -> None:
        """Go away."""
        await self.stream.aclose()


@attrs.define(eq=False)
class Front:
    """One server and its network."""

    network: MemoryNetwork
    port: int
    connections: trio.Nursery
    """Where the connections live; it ends by itself once the accepting has ended and the last connection."""
    accepting: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    urls: list[str] = attrs.field(factory=list, init=False)

    async def dial(self) -> HandClient:
        """A new connection."""
        return HandClient(await self.network.open_stream("127.0.0.1", self.port))

    async def run(self, app: ASGIApp, settings: ServerSettings, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until the accepting is cancelled."""
        listeners = await self.network.listen("127.0.0.1", self.port)
        with self.accepting:
            await serve(app, listeners, connections=self.connections, settings=settings, wall=lambda: 0.0, task_status=task_status)


@asynccontextmanager
async def open_front(
    app: ASGIApp, settings: ServerSettings | None = None, *, network: MemoryNetwork | None = None, port: int = 80
) -> AsyncGenerator[Front, None]:
    """Serve an application, at the beginning of 1970. Leaving the block cuts what is still connected."""
    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        front = Front(network or MemoryNetwork(), port, connections)
        front.urls = await accepting.start(front.run, app, settings or ServerSettings())
        yield front
        front.accepting.cancel()
        connections.cancel_scope.cancel()
