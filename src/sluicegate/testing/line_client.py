"""A client on a pair of streams, a message a line: the other end of a stdio server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import trio
import trio.testing

__all__ = ["LineClient", "open_line_client"]

Serve = Callable[[trio.abc.ReceiveStream, trio.abc.SendStream], Awaitable[None]]
"""A server on its stdin and stdout."""


@attrs.define(eq=False, repr=False)
class LineClient:
    """Writes and reads lines."""

    stdin: trio.abc.SendStream
    """The server's, which the client writes to."""
    stdout: trio.abc.ReceiveStream
    ended: trio.Event = attrs.field(factory=trio.Event)
    """The server has returned."""
    _buffer: bytes = attrs.field(default=b"", init=False)

    async def send(self, *messages: object) -> None:
        """Write messages, a line each; bytes as they are, anything else as JSON."""
        for message in messages:
            await self.stdin.send_all((message if isinstance(message, bytes) else msgspec.json.encode(message)) + b"\n")

    async def line(self) -> bytes:
        """The next line; raises `EOFError` at the end."""
        while b"\n" not in self._buffer:
            chunk = await self.stdout.receive_some(65536)
            if not chunk:
                raise EOFError
            self._buffer += bytes(chunk)
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    async def next(self) -> Any:
        """The next message, decoded."""
        return msgspec.json.decode(await self.line())


@asynccontextmanager
async def open_line_client(serve: Serve, nursery: trio.Nursery) -> AsyncGenerator[LineClient, None]:
    """Run a server in ``nursery`` and be its client; leaving the block ends its input and waits until it has returned."""
    to_server, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_server = trio.testing.memory_stream_one_way_pair()
    client = LineClient(to_server, from_server)

    async def run() -> None:
        await serve(stdin, stdout)
        await stdout.aclose()
        client.ended.set()

    nursery.start_soon(run)
    yield client
    await to_server.aclose()
    await client.ended.wait()
