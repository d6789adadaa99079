"""The far side of an HTTP/1.1 client, played by hand: a test hears each request as bytes, and says what it likes."""

from __future__ import annotations

import errno
from collections.abc import Callable

import attrs
import trio
import trio.testing

from sluicegate.testing.memory_wire import BUFFER, memory_pair

__all__ = ["FarSide", "Talk"]

Ends = tuple[trio.abc.Stream, trio.abc.Stream]

MOST_READ = 65536


@attrs.define(eq=False)
class Talk:
    """One connection, seen from the server."""

    stream: trio.abc.Stream
    _data: bytes = attrs.field(default=b"", init=False)

    async def hear(self) -> bytes:
        """The next request, whole; a body must have a length."""
        while b"\r\n\r\n" not in self._data:
            await self._more()
        head, _, rest = self._data.partition(b"\r\n\r\n")
        sizes = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(rest) < sum(sizes):
            await self._more()
            rest = self._data[len(head) + 4 :]
        self._data = rest[sum(sizes) :]
        return head + b"\r\n\r\n" + rest[: sum(sizes)]

    async def _more(self) -> None:
        data = await self.stream.receive_some(MOST_READ)
        assert data, f"the client has closed the connection after {self._data!r}"
        self._data += data

    async def say(self, *pieces: bytes) -> None:
        """Send bytes; each piece is sent when the one before has been received."""
        for piece in pieces:
            await trio.testing.wait_all_tasks_blocked()
            await self.stream.send_all(piece)

    async def answer(self, body: bytes = b"ok", status: bytes = b"200 OK", headers: bytes = b"") -> None:
        """Send a whole response whose end is known."""
        await self.stream.send_all(b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, headers, len(body), body))

    async def wait_gone(self) -> bytes:
        """Wait until the client has closed the connection; what it said before."""
        while data := await self._receive():
            self._data += data
        return self._data

    async def _receive(self) -> bytes:
        try:
            return bytes(await self.stream.receive_some(MOST_READ))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def close(self) -> None:
        """Close the connection."""
        await self.stream.aclose()


@attrs.define(eq=False)
class FarSide:
    """Where a client's connections arrive; its `open_stream` is to be handed to the client."""

    buffer: int = BUFFER
    """Bytes on their way in each direction of a connection."""
    down: bool = False
    """Whether connections are refused."""
    dialled: list[tuple[str, int]] = attrs.field(factory=list, init=False)
    """Host and port of every attempt to connect."""
    pair: Callable[[int], Ends] = memory_pair
    """Makes both ends of a connection, the client's first."""
    ends: list[trio.abc.Stream] = attrs.field(factory=list, init=False)
    """The client's ends of all connections."""
    _send: trio.MemorySendChannel[Talk] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[Talk] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Talk](1000)

    @property
    def open(self) -> int:
        """Connections that the client has not closed."""
        return len([end for end in self.ends if not _is_closed(end)])

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        """Connect; raises ``OSError`` while it is down."""
        self.dialled.append((host, port))
        await trio.lowlevel.checkpoint()
        if self.down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        ours, theirs = self.pair(self.buffer)
        self.ends.append(ours)
        self._send.send_nowait(Talk(theirs))
        return ours

    async def accept(self) -> Talk:
        """The next connection."""
        return await self._receive.receive()


def _is_closed(end: trio.abc.Stream) -> bool:
    return end.socket.fileno() < 0 if isinstance(end, trio.SocketStream) else bool(getattr(end, "closed", False))
