"""A network in memory: listeners and the streams that lead to them.

The streams behave as TCP does where it matters: their buffers are small, so whoever does not read holds up whoever sends; each direction can be
ended on its own; and, where it is asked for, closing with unread bytes resets the connection and costs the other side what it has not read yet.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from operator import index

import attrs
import trio

from .leaks import opened
from .resolver import Resolver

__all__ = ["MemoryListener", "MemoryNetwork", "MemoryStream", "memory_pair"]

BUFFER = 64 * 1024
"""Bytes on their way in one direction."""
MOST_WAITING = 4096
"""Connections that were opened and not accepted yet; as many may be at the door by the rules of most systems."""
ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  nobody is there but the test


@attrs.define(eq=False, repr=False)
class _Pipe:
    """One direction of a connection."""

    limit: int
    data: bytearray = attrs.field(factory=bytearray, init=False)
    ended: bool = attrs.field(default=False, init=False)
    """The sender has said its last."""
    deaf: bool = attrs.field(default=False, init=False)
    """The receiver has closed."""
    reset: bool = attrs.field(default=False, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def change(self) -> None:
        """Wake both ends."""
        self._changed.set()
        self._changed = trio.Event()

    async def changed(self) -> None:
        await self._changed.wait()


@attrs.define(eq=False, repr=False)
class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a connection in memory."""

    _out: _Pipe
    _in: _Pipe = attrs.field(alias="incoming")  # "in" is a word of Python
    _resets: bool = False
    """Closing with unread bytes loses what the other side has not read, as on TCP."""
    closed: bool = attrs.field(default=False, init=False)
    _sending: bool = attrs.field(default=False, init=False)
    _receiving: bool = attrs.field(default=False, init=False)

    @property
    def is_readable(self) -> bool:
        """Whether bytes, the end or a failure are there to be received."""
        return bool(self._in.data) or self._in.ended or self._in.reset or self.closed

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; waits while the buffer is full."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            rest = memoryview(bytes(data))
            await trio.lowlevel.checkpoint()
            while (room := self._writable()) < len(rest):
                self._put(rest[:room])
                rest = rest[room:]
                await self._out.changed()
            self._put(rest)
        finally:
            self._sending = False

    def _writable(self) -> int:
        if self.closed or self._out.ended:
            raise trio.ClosedResourceError("this end of the connection is closed")
        if self._out.deaf or self._in.reset:
            raise trio.BrokenResourceError("the other end of the connection is closed")
        return self._out.limit - len(self._out.data)

    def _put(self, data: memoryview) -> None:
        if data:
            self._out.data += data
            self._out.change()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
            while not self._writable():
                await self._out.changed()
        finally:
            self._sending = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, at most ``max_bytes``; waits for the first byte."""
        most = BUFFER if max_bytes is None else index(max_bytes)
        if most < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving on this stream")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint()
            while not self.is_readable:
                await self._in.changed()
            return self._take(most)
        finally:
            self._receiving = False

    def _take(self, most: int) -> bytes:
        if self.closed:
            raise trio.ClosedResourceError("this end of the connection is closed")
        if self._in.reset:
            raise trio.BrokenResourceError("the connection was reset")
        taken = bytes(self._in.data[:most])
        if taken:
            del self._in.data[:most]
            self._in.change()
        return taken

    async def send_eof(self) -> None:
        """Say that no more will be sent."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio.ClosedResourceError("this end of the connection is closed")
        self._out.ended = True
        self._out.change()

    async def aclose(self) -> None:
        """Close both directions."""
        if not self.closed:
            self.closed = self._out.ended = self._in.deaf = True
            if self._resets and self._in.data:
                self._out.reset = True
            self._out.change()
            self._in.change()
        await trio.lowlevel.checkpoint()


def memory_pair(buffer: int = BUFFER, *, resets: bool = False) -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a connection that holds ``buffer`` bytes in each direction."""
    there, back = _Pipe(buffer), _Pipe(buffer)
    ends = MemoryStream(there, back, resets), MemoryStream(back, there, resets)
    opened(*ends)
    return ends


@attrs.define(eq=False, repr=False)
class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Takes connections that were made with `MemoryNetwork.open_stream`."""

    host: str
    port: int
    buffer: int = BUFFER
    resets: bool = False
    _send: trio.MemorySendChannel[MemoryStream] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[MemoryStream] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[MemoryStream](MOST_WAITING)

    def accept_now(self) -> trio.abc.Stream:
        """The next connection that waits already; raises `trio.WouldBlock` if there is none."""
        return self._receive.receive_nowait()

    async def accept(self) -> trio.abc.Stream:
        """The next connection."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    async def aclose(self) -> None:
        """Take no more connections."""
        self._send.close()
        self._receive.close()
        await trio.lowlevel.checkpoint()

    def connect(self) -> MemoryStream:
        """The client's end of a new connection."""
        ours, theirs = memory_pair(self.buffer, resets=self.resets)
        try:
            self._send.send_nowait(theirs)
        except (trio.ClosedResourceError, trio.BrokenResourceError, trio.WouldBlock):
            raise _refused(self.host, self.port) from None
        return ours


@attrs.define(eq=False, repr=False)
class MemoryNetwork:
    """All listeners of one test. Port 0 gets the next free one, beginning with 40000.

    Without a resolver it has one host, which answers to every name. With one, a listener is reached by the address that it listens on.
    """

    buffer: int = BUFFER
    """Bytes on their way in each direction of a connection."""
    resets: bool = False
    """Closing a connection with unread bytes costs the other side what it has not read yet."""
    resolver: Resolver | None = None
    _listeners: dict[tuple[str, int], MemoryListener] = attrs.field(factory=dict, init=False)
    _next: int = attrs.field(default=40000, init=False)

    async def listen(self, host: str, port: int) -> list[trio.abc.Listener[trio.abc.Stream]]:
        """A listener, in the form that the gateway's own factory gives."""
        await trio.lowlevel.checkpoint()
        if port == 0:
            port, self._next = self._next, self._next + 1
        address = "" if self.resolver is None or host in ANYWHERE else self.resolver.resolve(host)[0]
        listener = self._listeners[address, port] = MemoryListener(host, port, self.buffer, self.resets)
        return [listener]

    async def open_stream(self, host: str, port: int) -> MemoryStream:
        """Connect, to the first of the host's addresses that answers; raises ``OSError`` if nothing listens there."""
        await trio.lowlevel.checkpoint()
        addresses = ("",) if self.resolver is None else self.resolver.resolve(host)
        for key in [key for address in addresses for key in ((address, port), ("", port))]:
            with suppress(ConnectionRefusedError):
                return self._connect(*key)
        raise _refused(host, port)

    def _connect(self, host: str, port: int) -> MemoryStream:
        if (listener := self._listeners.get((host, port))) is None:
            raise _refused(host, port)
        return listener.connect()


def _refused(host: str, port: int) -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, f"nothing listens on {host}:{port}")
