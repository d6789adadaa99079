"""What leaves on a connection, and the deadline of a client that does not take it."""

from __future__ import annotations

from collections.abc import Callable
from errno import EPIPE
from math import ceil

import attrs
import trio

from ..sockets import QuickSocket, unsent
from ..timekeeper import NEVER, Timekeeper
from .settings import ServerSettings

__all__ = ["MessageSender"]


@attrs.define(eq=False, repr=False)
class MessageSender:
    """Sends whole messages; a message that was left in the middle is the last one (implements `Timed`)."""

    stream: trio.abc.Stream
    settings: ServerSettings
    timekeeper: Timekeeper
    torn: bool = attrs.field(default=False, init=False)
    """Something is being sent, or was left in the middle: a cancelled send may have sent half of it."""
    given_up: bool = attrs.field(default=False, init=False)
    """The client did not take an answer in time."""
    expires_at: float = attrs.field(default=NEVER, init=False)
    looked_at: float = attrs.field(default=NEVER, init=False)
    _send_now: Callable[[bytes | memoryview], int] | None = attrs.field(init=False)
    _given: int = attrs.field(default=0, init=False)
    """Bytes that the kernel has had, or is about to take."""
    _taken: int = attrs.field(default=0, init=False)
    """As many as these, less those that it held, when the term began to count."""
    _ends_at: float = attrs.field(default=NEVER, init=False)
    """When the term is over, while it does not count yet."""

    def __attrs_post_init__(self) -> None:
        self._send_now = self.stream.send_now if isinstance(self.stream, QuickSocket) else None

    async def send(self, data: bytes | memoryview, *, yields: bool = True) -> None:
        """Send it all. Without ``yields`` this is a checkpoint only if it has to wait.

        Raises:
            OSError: The client has gone, or took too long, or another task is sending.
        """
        rest: bytes | memoryview = data
        if self.torn:
            raise BrokenPipeError(EPIPE, "another message was left in the middle")
        if self._send_now is not None:
            self.torn = True
            try:
                sent = self._send_now(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise BrokenPipeError(EPIPE, "the client has gone") from error
            self.torn = False
            if sent == len(data) and not yields:
                return
            rest = memoryview(data)[sent:]
        if rest:
            await self._send_in_pieces(rest)
        else:
            await trio.lowlevel.checkpoint()

    async def _send_in_pieces(self, data: bytes | memoryview) -> None:
        """Send pieces of the least size that a client must take in one term, so that each has a term of its own."""
        piece = ceil(self.settings.min_rate * self.settings.write_seconds)
        self.torn = True
        try:
            if isinstance(self.stream, QuickSocket):
                await self._send_what_fits(self.stream, memoryview(data), piece)
            else:
                for start in range(0, len(data), piece):
                    self._given += piece
                    self._begin_term()
                    await self.stream.send_all(data[start : start + piece])
            self.torn = False
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError) as error:
            raise BrokenPipeError(EPIPE, "the client has gone") from error
        finally:
            self.expires_at = NEVER

    async def _send_what_fits(self, stream: QuickSocket, data: memoryview, piece: int) -> None:
        """The same, but whoever reads fast gets as much as the kernel takes each time."""
        began = self._given
        self._begin_term()
        while data:
            await stream.wait_send_all_might_not_block()
            sent = stream.send_now(data)
            data = data[sent:]
            self._given += sent
            if self._given - began >= piece:
                began = self._given
                self._begin_term()

    def _begin_term(self, longest: float = NEVER) -> None:
        """It counts from its second quarter on: at first the other kernel takes what it has room for, whether anybody reads it or not."""
        began, seconds = trio.current_time(), min(self.settings.write_seconds, longest)
        self._ends_at = began + seconds
        self.timekeeper.watch(self, began + seconds / 4)

    async def end(self) -> None:
        """Say that no more will be sent, where a stream can say so."""
        if isinstance(self.stream, trio.abc.HalfCloseableStream):
            try:
                await self.stream.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                self.torn = True

    async def expire(self) -> None:
        """The client does not take what it asked for: close, which wakes whoever sends or reads.

        But the kernel wants nothing more before half of what it holds, some 64 KiB, has gone. What went meanwhile buys time as well; by its
        size, because the other kernel takes large pieces now and then.
        """
        if self._ends_at != NEVER:
            self._taken = self._given - unsent(self.stream)
            self.timekeeper.watch(self, self._ends_at)
            self._ends_at = NEVER
            return
        gone = self._given - unsent(self.stream) - self._taken
        if gone > 0:
            self._begin_term(gone / self.settings.min_rate)
            return
        self.given_up = True
        await trio.aclose_forcefully(self.stream)
