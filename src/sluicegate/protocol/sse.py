"""Server-sent events: bytes in, events out, in whatever pieces they come; and events as bytes. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
import msgspec

from .sizes import ENDS_KEPT

__all__ = ["Event", "EventParser", "OversizedEvent", "format_comment", "format_event"]

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"

LONGEST_FIELD = 16
"""Bytes at the beginning of a line that tell whether it is data."""
SMALL_PART = 1024
"""Parts of a line that are shorter grow instead of multiplying: an event that comes byte by byte must not take twenty times its size."""


class Event(msgspec.Struct, frozen=True):
    """One event. ``id`` is the last id seen up to here, empty if there was none."""

    data: bytes
    name: str = "message"
    id: str = ""


@attrs.frozen(repr=False)
class OversizedEvent:
    """An event over the limit. It is skipped, but of its data the two ends are kept; that is enough to tell what it was."""

    limit: int
    head: bytes = b""
    tail: bytes = b""
    """Empty where it is told of before its end."""
    size: int = 0
    """In bytes, field names included; 0 where it is told of before its end."""
    name: str = "message"


@attrs.define(eq=False, repr=False)
class EventParser:
    """Reads one stream as browsers do: CR, LF or CRLF, an optional byte order mark, comments and unknown fields ignored."""

    limit: int
    """The largest event in bytes, field names included; no more than that is held in memory."""
    last_id: str = ""
    """What to resume after; given where this stream goes on with another."""
    retry_seconds: float | None = None
    """The pause before reconnecting that the server asked for."""
    waits_for_ends: bool = False
    """An event over the limit is told of when it has ended, with both of its own, and not as soon as it is known to be one."""
    _parts: list[bytes] = attrs.field(factory=list, init=False)
    _data: list[bytes] = attrs.field(factory=list, init=False)
    _name: str = attrs.field(default="", init=False)
    _id: str = attrs.field(default=attrs.Factory(lambda self: self.last_id, takes_self=True), init=False)
    _size: int = attrs.field(default=0, init=False)
    _head: bytes = attrs.field(default=b"", init=False)
    """Of the event that is being skipped."""
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
                    yield OversizedEvent(self.limit, self._head, name=self._name or "message")
                line = self._whole_line()
            else:  # a whole line, as nearly all come
                self._size += len(line)
            start = end.end()
            if (event := self._line(line)) is not None:
                yield event
        if start < len(chunk) and self._hold(chunk[start:]):
            yield OversizedEvent(self.limit, self._head, name=self._name or "message")

    def _hold(self, part: bytes) -> bool:
        """Keep a piece of a line; whether it is to be told now that the event became too large by it."""
        self._size += len(part)
        if self._skipping:
            self._skip(part)
        elif self._size > self.limit:
            self._begin_skipping(part)
            return not self.waits_for_ends
        elif part and self._parts and len(self._parts[-1]) < SMALL_PART:
            self._parts[-1] += part
        elif part:
            self._parts.append(part)
        return False

    def _begin_skipping(self, part: bytes) -> None:
        self._skipping = True
        within = b"".join((*self._parts, part))[: self.limit - self._size]  # the same, in whatever pieces it comes
        self._head = b"\n".join((*self._data, *self._data_of(within)))[:ENDS_KEPT]
        self._data = [b"\n".join(self._data)[-ENDS_KEPT:]] if self._data and self.waits_for_ends else []
        self._skip(part)

    def _skip(self, part: bytes) -> None:
        """Keep so much of a line as matters: whether it is empty, or where ends are waited for, those."""
        line = b"".join((*self._parts, part))
        if not self.waits_for_ends:
            line = b":" if line else b""
        elif len(line) > LONGEST_FIELD + ENDS_KEPT:
            line = line[:LONGEST_FIELD] + line[-ENDS_KEPT:]
        self._parts = [line] if line else []

    def _whole_line(self) -> bytes:
        """The line that has been held; it means nothing where it belongs to what is skipped."""
        line, self._parts = b"".join(self._parts), []
        if not (self._skipping and line):
            return line
        if found := self._data_of(line):
            self._data = [b"\n".join((*self._data, *found))[-ENDS_KEPT:]]
        return b":"

    def _data_of(self, line: bytes) -> list[bytes]:
        field, _, value = (line.removeprefix(_BOM) if self._at_start else line).partition(b":")
        return [value.removeprefix(b" ")] if field == b"data" else []

    def _line(self, line: bytes) -> Event | OversizedEvent | None:
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

    def _dispatch(self) -> Event | OversizedEvent | None:
        self.last_id = self._id
        event: Event | OversizedEvent | None = None
        if self._data:
            name, data = self._name or "message", b"\n".join(self._data)
            event = OversizedEvent(self.limit, self._head, data, self._size, name) if self._skipping else Event(data, name, self._id)
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
