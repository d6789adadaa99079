"""A network in memory: listeners and the streams that lead to them."""

from __future__ import annotations

import errno

import attrs
import trio
import trio.testing

__all__ = ["MemoryListener", "MemoryNetwork", "MemoryStream"]

MemoryStream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


@attrs.define(eq=False)
class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Takes connections that were made with `MemoryNetwork.open_stream`."""

    host: str
    port: int
    _send: trio.MemorySendChannel[MemoryStream] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[MemoryStream] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[MemoryStream](64)

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
        ours, theirs = trio.testing.memory_stream_pair()
        try:
            self._send.send_nowait(theirs)
        except (trio.ClosedResourceError, trio.BrokenResourceError, trio.WouldBlock):
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nothing listens on {self.host}:{self.port}") from None
        return ours


@attrs.define(eq=False)
class MemoryNetwork:
    """All listeners of one test. Port 0 gets the next free one, beginning with 40000."""

    _listeners: dict[int, MemoryListener] = attrs.field(factory=dict, init=False)
    _next: int = attrs.field(default=40000, init=False)

    async def listen(self, host: str, port: int) -> list[trio.abc.Listener[trio.abc.Stream]]:
        """A listener, in the form that the gateway's own factory gives."""
        await trio.lowlevel.checkpoint()
        if port == 0:
            port, self._next = self._next, self._next + 1
        listener = self._listeners[port] = MemoryListener(host, port)
        return [listener]

    async def open_stream(self, host: str, port: int) -> MemoryStream:
        """Connect; raises ``OSError`` if nothing listens there."""
        await trio.lowlevel.checkpoint()
        listener = self._listeners.get(port)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nothing listens on {host}:{port}")
        return listener.connect()
