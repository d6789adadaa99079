"""The ordered events of one stream, and the downlink to whoever reads them.

A stream outlives the connection that carries it: its events have ids, and a later connection can ask for those it missed (P-63).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import attrs
import msgspec
import trio

from ..waiting.bell import Bell

__all__ = ["Downlink", "EventLog", "read_event_id"]

MOST_NOTES = 256
"""Notes that a log keeps for a reader that is slow or away; the oldest are dropped first, replies never."""
MOST_NOTE_BYTES = 1024 * 1024


@attrs.define(eq=False, repr=False)
class Downlink:
    """One client connection, as the task that answers on it sees it.

    Waiting for news and noticing that the client went away are one wait, and it takes no second task. Our own server calls back when a
    client has gone, so there an event is enough. Behind other servers the task sits in ``receive``, and whoever has news rings it out of
    there with a cancel scope, which was measured at 20 µs more.
    """

    receive: Callable[[], Awaitable[Mapping[str, object]]]
    """ASGI's: once the request has been read, it returns when the client has gone."""
    on_disconnect: Callable[[Callable[[], None]], None] | None = None
    """Takes what is to be called when the client has gone; None where the server has no such thing."""
    lost: bool = attrs.field(default=False, init=False)
    """The client has gone."""
    is_open: bool = attrs.field(default=True, init=False)
    """Whether it makes sense to send: the client has not gone, and we have more to say on it."""
    _rung: bool = attrs.field(default=False, init=False)
    _bell: Bell | None = attrs.field(default=None, init=False)
    _waiting: trio.CancelScope | None = attrs.field(default=None, init=False)

    def ring(self) -> None:
        """There is news."""
        self._rung = True
        if self._bell is not None:
            self._bell.ring()
        elif self._waiting is not None:
            self._waiting.cancel(reason="news")

    def nudge(self) -> None:
        """There is no news, and whoever waits is to say that he is still there."""
        if self._bell is not None:
            self._bell.ring()
        elif self._waiting is not None:
            self._waiting.cancel(reason="it is time for a sign of life")

    def hang_up(self) -> None:
        """End the answer: the session ends, the gateway drains, or another connection took over."""
        self.is_open = False
        self.ring()

    def lose(self) -> None:
        """The client has gone."""
        self.lost, self.is_open = True, False
        self.ring()

    async def wait(self, seconds: float = float("inf")) -> bool:
        """Wait for news, for the client to go, or that long; False if the time passed with neither, or somebody has nudged it."""
        if self._bell is None and self.on_disconnect is not None:
            self._bell = Bell()
            self.on_disconnect(self.lose)  # at once, if it has gone already
        if self._rung or not self.is_open:
            await trio.lowlevel.checkpoint()
        elif self._bell is None:
            await self._wait_in_receive(seconds)
        elif seconds == float("inf"):
            await self._bell.wait()
        else:
            with trio.move_on_after(seconds):
                await self._bell.wait()
        news, self._rung = self._rung or not self.is_open, False
        return news

    async def _wait_in_receive(self, seconds: float) -> None:
        self._waiting = trio.move_on_after(seconds)
        try:
            with self._waiting:
                while (await self.receive())["type"] != "http.disconnect":
                    pass
                self.lost, self.is_open = True, False
        finally:
            self._waiting = None


class _Event(msgspec.Struct, frozen=True):
    number: int
    data: bytes
    is_note: bool


@attrs.define(eq=False, repr=False)
class EventLog:
    """What was said on one stream, as far as it is kept. One reader at a time."""

    stream: int
    """The stream's number in its session; 0 belongs to no request."""
    last: int = attrs.field(default=0, init=False)
    """The number of the newest event; 0 stands for the beginning."""
    is_known: bool = attrs.field(default=False, init=False)
    """A client may have got the id of an event, and can come back after that."""
    ended: bool = attrs.field(default=False, init=False)
    dropped: int = attrs.field(default=0, init=False)
    reader: Downlink | None = attrs.field(default=None, init=False)
    size: int = attrs.field(default=0, init=False)
    """Bytes that it keeps."""
    _events: deque[_Event] = attrs.field(factory=deque, init=False)
    _notes: int = attrs.field(default=0, init=False)
    _note_bytes: int = attrs.field(default=0, init=False)

    def put(self, data: bytes, *, is_note: bool = True) -> None:
        """Add an event; never blocks."""
        self.last += 1
        self._events.append(_Event(self.last, data, is_note))
        self.size += len(data)
        if is_note:
            self._count_note(len(data))
        if self.reader is not None:
            self.reader.ring()

    def make_note(self, number: int) -> None:
        """An event that has been kept so far is no more than a note from now on, in its place."""
        for place, event in enumerate(self._events):
            if event.number == number:
                self._events[place] = _Event(number, event.data, is_note=True)
                self._count_note(len(event.data))
                return

    def _count_note(self, size: int) -> None:
        self._notes += 1
        self._note_bytes += size
        while self._notes > MOST_NOTES or (self._note_bytes > MOST_NOTE_BYTES and self._notes > 1):
            self._drop_oldest_note()

    def _drop_oldest_note(self) -> None:
        oldest = next(event for event in self._events if event.is_note)
        if self._events[0] is oldest:
            self._events.popleft()
        else:
            self._events.remove(oldest)
        self._notes -= 1
        self._note_bytes -= len(oldest.data)
        self.size -= len(oldest.data)
        self.dropped += 1

    def end(self) -> None:
        """Nothing more will come."""
        self.ended = True
        if self.reader is not None:
            self.reader.ring()

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """The kept events with a greater number."""
        if number >= self.last:
            return []
        return [(event.number, event.data) for event in self._events if event.number > number]

    def event_id(self, number: int) -> str:
        """The id that a client may resume after: unique in its session, and it tells the stream."""
        return f"{self.stream}-{number}"


def read_event_id(text: str) -> tuple[int, int] | None:
    """Stream and event number of an id that `EventLog.event_id` made."""
    stream, dash, number = text.partition("-")
    if dash and _is_number(stream) and _is_number(number):
        return int(stream), int(number)
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16
