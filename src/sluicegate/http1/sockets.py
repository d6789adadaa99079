"""Sockets without detours: what is there is read at once, and what the kernel takes at once is sent without yielding.

A Trio socket tries to read before it waits, which fails for a connection that waits for its next request, and it yields after every send even
if nothing had to wait. Waiting first, and sending in a plain function, saves 10 of 28 µs for one small request with its answer.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from operator import index

import attrs
import trio

if sys.platform == "win32":
    ioctl = None
else:
    from fcntl import ioctl
    from termios import TIOCOUTQ

__all__ = ["MOST_READ", "QuickSocket", "hold_little_back", "is_readable", "probe_of_descriptor", "quicken", "unsent"]

MOST_READ = 65536
"""Bytes that are taken from a stream at once, and so what a connection holds of a message that nobody reads. A longer one is large."""
MOST_UNSENT = 131_072
"""Bytes that the kernel takes beyond those that are on their way."""


def quicken(stream: trio.abc.Stream) -> trio.abc.Stream:
    """The same connection with `QuickSocket.send_now`, if it is a plain socket where sockets are files."""
    return QuickSocket(stream) if isinstance(stream, trio.SocketStream) and os.name == "posix" else stream


def hold_little_back(stream: trio.abc.Stream) -> None:
    """Let the kernel keep little of what the other side does not read yet; what is on its way is as much as ever.

    By itself it takes some mebibytes: a client that reads nothing could have three answers of a mebibyte made for it, and copied.
    """
    if isinstance(stream, trio.SocketStream) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):  # it is gone already, or does not speak TCP
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MOST_UNSENT)


def is_readable(end: object) -> bool:
    """Whether something has come to a stream: bytes, their end, or a failure. False where nobody can tell."""
    below = getattr(end, "stream", end)
    own = getattr(below, "socket", None)
    if own is None:
        return bool(getattr(below, "is_readable", False))
    number = own.fileno()
    return number == -1 or probe_of_descriptor(number)()


def probe_of_descriptor(number: int) -> Callable[[], bool]:
    """How to ask the system, which answers at once, whether something has come; for as long as the descriptor is open."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([number], [], [], 0) != ([], [], [])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return lambda: bool(poll.poll(0))


def unsent(end: object) -> int:
    """About how many bytes the kernel holds for a stream that the other side has not taken yet; 0 where nobody can tell."""
    below = getattr(end, "transport_stream", end)
    own = getattr(getattr(below, "stream", below), "socket", None)
    if own is None or ioctl is None:
        return 0
    try:
        return int.from_bytes(ioctl(own.fileno(), TIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
    except (OSError, ValueError):  # closed, or a system that cannot say
        return 0


@attrs.define(eq=False, repr=False)
class QuickSocket(trio.abc.HalfCloseableStream):
    """A socket stream that can also send without waiting. Whoever closes it closes this, not the stream below."""

    stream: trio.SocketStream
    _number: int = attrs.field(init=False)
    """The descriptor, -1 when closed: asking the socket for it takes longer than to compare it. The system refuses to read or write -1."""
    _sending: bool = attrs.field(default=False, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._number = self.stream.socket.fileno()

    def send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send as much as the kernel takes at once, and return how much that was. Never blocks, and is no checkpoint.

        Raises:
            trio.BrokenResourceError: The other side has gone.
            trio.ClosedResourceError: This side was closed.
        """
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        if self._ended:
            raise trio.ClosedResourceError("this side has said that it sends no more")
        try:
            return os.write(self._number, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _translated(error) from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it."""
        await trio.lowlevel.checkpoint()
        with memoryview(data) as whole:
            sent = self.send_now(whole)
            while sent < len(whole):
                await self.wait_send_all_might_not_block()
                sent += self.send_now(whole[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        if self._number == -1:
            raise _closed()
        self._sending = True
        try:
            await trio.lowlevel.wait_writable(self._number)
        finally:
            self._sending = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come; waits for the first byte."""
        most = MOST_READ if max_bytes is None else index(max_bytes)
        if most < 1:
            raise ValueError("max_bytes must be at least 1")
        data = None
        while data is None:
            if self._number == -1:
                raise _closed()
            await trio.lowlevel.wait_readable(self._number)
            data = self.receive_now(most)
        return data

    async def wait_receive_might_not_block(self) -> None:
        """Wait until something has come, or the end."""
        if self._number == -1:
            raise _closed()
        await trio.lowlevel.wait_readable(self._number)

    def receive_now(self, most: int) -> bytes | None:
        """What has come; None if it is nothing, as after somebody else's wake-up. Never blocks, and is no checkpoint."""
        try:
            return os.read(self._number, most)
        except BlockingIOError:
            return None
        except OSError as error:
            raise _translated(error) from error

    async def send_eof(self) -> None:
        """Say that no more will be sent."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        self._ended = True
        await self.stream.send_eof()

    async def aclose(self) -> None:
        """Close both directions; whoever waits on it wakes up."""
        self._number = -1
        await self.stream.aclose()


def _closed() -> trio.ClosedResourceError:
    return trio.ClosedResourceError("this socket was already closed")


def _translated(error: OSError) -> Exception:
    if error.errno == errno.EBADF:
        return _closed()
    return trio.BrokenResourceError(f"socket connection broken: {error}")
