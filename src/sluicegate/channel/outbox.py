"""What waits to be sent to a backend: a bounded queue with one writer at its end (T18).

While the writer has nothing to do, a message may skip it: `Outbox.send_now` writes what the transport takes at once, in a plain function that
nobody can cancel in the middle. That saves a turn of the event loop per call. A rest goes to the writer before anything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from ..protocol.calls import Call
from ..waiting.bell import Bell

__all__ = ["MOST_QUEUED", "MOST_QUEUED_BYTES", "Frame", "Outbox"]

MOST_QUEUED = 1024
"""Messages that may wait for a backend that does not read; the next call is refused as overload."""
MOST_QUEUED_BYTES = 64 * 1024 * 1024
"""The same bound in bytes, because one message may be as large as the frontend lets through."""


@attrs.define(eq=False, repr=False)
class Frame:
    """One message on its way out."""

    data: bytes
    call: Call | None = None
    """The call that it carries, which is told when it leaves."""
    left: bool = attrs.field(default=False, init=False)

    def leave(self) -> None:
        """It leaves now."""
        self.left = True
        if self.call is not None:
            self.call.sent_at = trio.current_time()
            self.call.trail.sent = True


@attrs.define(eq=False, repr=False)
class Outbox:
    """Calls may fill it up to its bounds; what nobody waits for (notifications, answers) up to twice as much."""

    most: int = MOST_QUEUED
    most_bytes: int = MOST_QUEUED_BYTES
    send_now: Callable[[bytes], int] | None = None
    """Writes as much as the transport takes at once, and returns how many bytes that was. None where a transport cannot tell."""
    on_written: Callable[[], None] | None = None
    """Told when the writer has sent a message and looks for the next one."""
    _waiting: deque[Frame] = attrs.field(factory=deque, init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _bell: Bell = attrs.field(factory=Bell, init=False)
    """Wakes the writer."""
    _closed: bool = attrs.field(default=False, init=False)
    _sending: int = attrs.field(default=0, init=False)
    """Bytes that the writer has in its hands."""
    _rest: bytes = attrs.field(default=b"", init=False)
    """The end of a message whose beginning has left."""
    is_cut: bool = attrs.field(default=False, init=False)
    """It was closed in the middle of a message, so nothing can follow."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes that the other end has not taken yet."""
        return self._bytes + self._sending

    @property
    def is_empty(self) -> bool:
        """Whether all that was put in has been sent."""
        return not (self._waiting or self._sending or self._rest)

    def holds(self, data: bytes) -> bool:
        """Whether such a message waits already."""
        return any(frame.data == data for frame in self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether another call must be refused."""
        return len(self._waiting) >= self.most or self._bytes >= self.most_bytes

    @property
    def is_bursting(self) -> bool:
        """Whether anything else must be dropped, too."""
        return len(self._waiting) >= 2 * self.most or self._bytes >= 2 * self.most_bytes

    def put(self, frame: Frame) -> None:
        """Add a message; the caller has asked whether there is room."""
        if self._bell.waiter is not None and self.send_now is not None and not (self._waiting or self._rest or self._closed):
            sent = self.send_now(frame.data)
            if sent:
                frame.leave()
            if sent == len(frame.data):
                return
            if sent:
                self._rest = frame.data[sent:]
                self._bytes += len(self._rest)
                self._bell.ring()
                return
        self._bytes += len(frame.data)
        self._waiting.append(frame)
        self._bell.ring()

    def take_back(self, frame: Frame) -> None:
        """Remove a message that has not left: the backend never hears of it."""
        self._bytes -= len(frame.data)
        self._waiting.remove(frame)

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._waiting.clear()
        self.is_cut = self.is_cut or bool(self._rest)
        self._rest = b""
        self._bytes = 0
        self._bell.ring()

    async def next_frame(self) -> bytes | None:
        """The next message to send, or None when there will be none. One writer at a time."""
        if self._sending:
            self._sending = 0
            if self.on_written is not None:
                self.on_written()
        while not self._closed:
            if self._rest:
                rest, self._rest = self._rest, b""
                self._bytes -= len(rest)
                self._sending = len(rest)
                return rest
            if self._waiting:
                frame = self._waiting.popleft()
                self._bytes -= len(frame.data)
                self._sending = len(frame.data)
                frame.leave()
                return frame.data
            await self._bell.wait()
        return None
