"""Server-sent events: bytes in, events out, in whatever pieces they come; and events as bytes. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
import msgspec

__all__ = ["Event", "EventParser", "OversizedEvent", "format_comment", "format_event"]

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"

SMALL_PART = 1024
"""Parts of a line that are shorter grow instead of multiplying: an event that comes byte by byte must not take twenty times its size."""


class Event(msgspec.Struct, frozen=True):
    """One event. ``id`` is the last id seen up to here, empty if there was none."""

    data: bytes
    name: str = "message"
    id: str = ""


@attrs.frozen
class OversizedEvent:
    """An event over the limit; reported as soon as that is known, then skipped up to its end."""

    limit: int


@attrs.define(eq=False)
class EventParser:
    """Reads one stream as browsers do: CR, LF or CRLF, an optional byte order mark, comments and unknown fields ignored."""

    limit: int
    """The largest event in bytes, field names included; no more than that is held in memory."""
    last_id: str = ""
    """What to resume after; given where this stream goes on with another."""
    retry_seconds: float | None = None
    """The pause before reconnecting that the server asked for."""
    _parts: list[bytes] = attrs.field(factory=list, init=False)
    _data: list[bytes] = attrs.field(factory=list, init=False)
    _name: str = attrs.field(default="", init=False)
    _id: str = attrs.field(default=attrs.Factory(lambda self: self.last_id, takes_self=True), init=False)
    _size: int = attrs.field(default=0, init=False)
    _skipping: bool = attrs.field(default=False, init=False)
    _after_cr: bool = attrs.field(default=False, init=False)
    _at_start: bool = attrs.field(default=True, init=False)

    def feed(self, chunk: bytes) -> Iterator[Event | OversizedEvent]:
        """Take the next bytes; yields the events that they complete. Exhaust it before the next call."""
        if not chunk:
            return
        start = 1 if self._after_cr and chunk[:1] == b"\n" else 0
        self._after_cr = chunk[-1:] == b"\r"
        for end in _LINE_END.finditer(chunk, start):
            line = chunk[start : end.start()]
            if self._parts or self._skipping or self._size + len(line) > self.limit:
                if self._hold(line):
                    yield OversizedEvent(self.limit)
                line = b"".join(self._parts)
                self._parts = []
            else:  # a whole line, as nearly all come
                self._size += len(line)
            start = end.end()
            if (event := self._line(line)) is not None:
                yield event
        if start < len(chunk) and self._hold(chunk[start:]):
            yield OversizedEvent(self.limit)

    def _hold(self, part: bytes) -> bool:
        """Keep a piece of a line; whether the event became too large by it."""
        self._size += len(part)
        if self._skipping:
            self._parts = [b":"] if part or self._parts else []  # all that matters is whether the line is empty
        elif self._size > self.limit:
            self._skipping = True
            self._parts, self._data = [b":"], []
            return True
        elif part and self._parts and len(self._parts[-1]) < SMALL_PART:
            self._parts[-1] += part
        elif part:
            self._parts.append(part)
        return False

    def _line(self, line: bytes) -> Event | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        self._field(field, value.removeprefix(b" "))
        return None

    def _field(self, field: bytes, value: bytes) -> None:
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")
        elif field == b"retry" and value.isdigit() and len(value) < 10:
            self.retry_seconds = int(value) / 1000

    def _dispatch(self) -> Event | None:
        self.last_id = self._id
        event = Event(b"\n".join(self._data), self._name or "message", self._id) if self._data else None
        self._data, self._name, self._size, self._skipping = [], "", 0, False
        return event


def format_event(data: bytes, *, id: str | None = None, retry: int | None = None, name: str | None = None) -> bytes:
    """One event as bytes; ``retry`` in milliseconds. Data with line ends, which JSON allows between tokens, takes several lines.

    Without a name an event with data is a ``message``, which is said: there are clients that look for the word, and wait for ever without.
    Raises `ValueError` for an id or a name that would not survive.
    """
    head = b"event: message\n" if name is None and data else b""
    if name is not None:
        head = _field(b"event", name)
    if id is not None:
        head += _field(b"id", id)
    if retry is not None:
        head += b"retry: %d\n" % retry
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    return b"%bdata: %b\n\n" % (head, data)


def _field(field: bytes, value: str) -> bytes:
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"{field.decode()} must not contain line ends or NUL: {value!r}")
    return b"%b: %b\n" % (field, value.encode())


def format_comment(text: str = "") -> bytes:
    """A line that every reader ignores: keeps a quiet stream alive."""
    return b": " + text.replace("\r", " ").replace("\n", " ").encode() + b"\n\n"
