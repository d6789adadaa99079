"""Pipes to a child without detours: what the kernel takes at once is written in a plain function, and reading waits first.

A Trio pipe yields before every write even if it need not wait, and tries to read before it waits, which fails for a pipe that waits for its
next answer. Both are a turn of the event loop each.
"""

from __future__ import annotations

import errno
import os

import attrs
import trio

__all__ = ["ReadPipe", "WritePipe"]

MOST_READ = 65_536


@attrs.define(eq=False, repr=False)
class WritePipe(trio.abc.SendStream):
    """A pipe that can also take bytes without waiting. One writer at a time."""

    stream: trio.lowlevel.FdStream

    def send_now(self, data: bytes) -> int:
        """Write as much as fits, and return how much that was; 0 too where nobody reads any more, which `send_all` tells. No checkpoint."""
        try:
            return os.write(self.stream.fileno(), data)
        except OSError:
            return 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of it."""
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Say that no more will come."""
        await self.stream.aclose()


@attrs.define(eq=False, repr=False)
class ReadPipe(trio.abc.ReceiveStream):
    """A pipe that is read when there is something in it."""

    stream: trio.lowlevel.FdStream

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come; waits for the first byte. Empty at the end."""
        while True:
            descriptor = self.stream.fileno()
            if descriptor == -1:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError("this pipe was already closed")
            await trio.lowlevel.wait_readable(descriptor)
            try:
                return os.read(self.stream.fileno(), max_bytes or MOST_READ)
            except BlockingIOError:  # somebody else's wake-up
                continue
            except OSError as error:
                if error.errno == errno.EBADF:
                    raise trio.ClosedResourceError("this pipe was already closed") from None
                raise trio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Read no more; whoever waits wakes up."""
        await self.stream.aclose()
