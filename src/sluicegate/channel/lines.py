"""Lines out of chunks, with bounded memory: a line over the limit is skipped, but its two ends are kept.

The ends, also those of a line that is no JSON (``NaN``, levels without end), are enough to tell whose answer it was, because an ``id`` stands in practice before or after the large ``result``, not within it.
Only members of the message itself count: the ends are read as far as they hold plain values (text, numbers, true, false, null), so nothing
inside a result can be taken for the id.
"""

from __future__ import annotations

import re

import attrs

from ..protocol.messages import compact
from ..protocol.sizes import ENDS_KEPT

__all__ = ["Gathered", "LineSplitter", "Oversized", "as_line", "number_at_ends"]

_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*+"'
_MEMBER = rb"\s*+(%b)\s*+:\s*+(%b|-?[0-9][0-9.eE+-]*+|true|false|null)\s*+" % (_STRING, _STRING)
_PLAIN = re.compile(_MEMBER)
_HEAD = re.compile(rb"\s*+\{((?:%b,)++)" % _MEMBER)
_RUN = re.compile(rb",((?:%b,)*+%b)(?P<end>\}\s*+\Z)?" % (_MEMBER, _MEMBER))
"""Plain members within an end; the last of these runs may lead up to the end of the message. Read once: beginning again at each comma takes 4 ms."""
_ANSWER = re.compile(rb"\s*+\{(?:%b,)*+\s*+\"(?:result|error)\"\s*+:" % _MEMBER)
"""The beginning of a response: what is not plain in one is the first of these."""


@attrs.frozen(repr=False)
class Oversized:
    """A line that was longer than the limit: how long, and its two ends."""

    size: int
    head: bytes
    tail: bytes

    @property
    def is_answer(self) -> bool:
        """Whether it may be a response; a ``method`` at either end says that it is a request or a notification."""
        return b'"method"' not in self._plain()

    @property
    def number(self) -> int | None:
        """The id, as a number of ours; None if neither end shows one."""
        raw = self.id.strip(b'"')  # some servers answer 7 with "7" (CORE-69)
        return int(raw) if raw.isdigit() and len(raw) < 20 else None

    @property
    def id(self) -> bytes:
        """The id as it is spelled, which need not be a proper one; empty if neither end shows one."""
        return self._plain().get(b'"id"', b"")

    def _plain(self) -> dict[bytes, bytes]:
        """The plain members at both ends, by their keys as they are spelled."""
        runs = list(_RUN.finditer(self.tail))
        ends = (_HEAD.match(self.head), runs[-1] if runs and runs[-1]["end"] else None)
        return {member[1]: member[2] for end in ends if end is not None for member in _PLAIN.finditer(end[1])}


def number_at_ends(data: bytes) -> int | None:
    """The id of a response that cannot be parsed, as a number of ours; None if it does not look like one, or neither end shows an id."""
    ends = Oversized(len(data), data[:ENDS_KEPT], data[-ENDS_KEPT:])
    return ends.number if ends.is_answer and _ANSWER.match(ends.head) else None


def as_line(message: bytes) -> bytes:
    """A message as it travels through a pipe (P-31)."""
    return compact(message) + b"\n"


@attrs.define(eq=False, repr=False)
class Gathered:
    """Messages of which parts come one after the other."""

    limit: int
    """The longest message in bytes."""
    _part: bytearray = attrs.field(factory=bytearray, init=False)
    _skipped: int = attrs.field(default=0, init=False)
    """How much of the message that is being skipped has gone by; 0 while none is."""
    _head: bytes = attrs.field(default=b"", init=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come of the next one."""
        return not (self._part or self._skipped)

    def add(self, piece: bytes) -> None:
        """One more part."""
        self._part += piece
        if self._skipped:
            self._skipped += len(piece)
            del self._part[:-ENDS_KEPT]
        elif len(self._part) > self.limit:
            self._skipped = len(self._part)
            self._head = bytes(self._part[:ENDS_KEPT])
            self._part = self._part[-ENDS_KEPT:]

    def take(self) -> bytes | Oversized:
        """That was the last part: here is the whole."""
        if not self._skipped:
            line = bytes(self._part)
            self._part.clear()
            return line
        oversized = Oversized(self._skipped, self._head, bytes(self._part))
        self._skipped, self._head = 0, b""
        self._part.clear()
        return oversized


@attrs.define(eq=False, repr=False)
class LineSplitter(Gathered):
    """Splits chunks into lines without their line ends."""

    def feed(self, chunk: bytes) -> list[bytes | Oversized]:
        """The lines that this chunk completes, in order."""
        *whole, part = chunk.split(b"\n")
        done: list[bytes | Oversized] = []
        if whole and (self._part or self._skipped):
            self.add(whole.pop(0))
            done.append(self.take())
        if len(chunk) <= self.limit:
            done += whole
        else:
            done += [line if len(line) <= self.limit else Oversized(len(line), line[:ENDS_KEPT], line[-ENDS_KEPT:]) for line in whole]
        if part:
            self.add(part)
        return done

    def end(self) -> list[bytes | Oversized]:
        """What is left when the stream has ended: at most one line without its end."""
        return [] if self.is_empty else [self.take()]
