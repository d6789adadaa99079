"""The bytes of one response: its head, completed, and its body in the framing that the client understands. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus

import attrs

from .dates import date_headers
from .request_head import ServerRequest

__all__ = ["STATUS_LINES", "BadHead", "DateLine", "ResponseWriter"]

SENT_APART = 65_536
"""A body of this size goes in a send of its own: copying it behind the head would cost more."""

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"[^\0\r\n]*")
_OURS = frozenset({b"content-length", b"connection", b"transfer-encoding", b"date"})
"""Headers that the server has a say in."""
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status.value >= 200}
"""The first lines of final responses that have a name."""


class BadHead(ValueError):
    """An application gave something that cannot be the head of a response."""


@attrs.define(eq=False, repr=False)
class DateLine:
    """The ``Date`` header, made once a second."""

    wall: Callable[[], float]
    """Seconds since 1970."""
    _second: int = attrs.field(default=-1, init=False)
    _line: bytes = attrs.field(default=b"", init=False)

    def __call__(self) -> bytes:
        """The line for this second; nothing if the clock is beyond the calendar."""
        second = int(self.wall())
        if second != self._second:
            self._second, self._line = second, b"".join(b"%b: %b\r\n" % header for header in date_headers(second))
        return self._line


@attrs.define(eq=False, repr=False)
class ResponseWriter:
    """Writes the answer to one request. The head leaves with the first piece of the body, because its framing hangs on that."""

    request: ServerRequest
    date: Callable[[], bytes]
    head_made: bool = attrs.field(default=False, init=False)
    finished: bool = attrs.field(default=False, init=False)
    """The whole response is written."""
    keep_alive: bool = attrs.field(init=False)
    """Whether another response may follow on the connection. Known when the head is made."""
    until_close: bool = attrs.field(default=False, init=False)
    """The body ends where the connection does."""
    _status: int = attrs.field(default=0, init=False)
    _first_line: bytes = attrs.field(default=b"", init=False)
    _headers: Iterable[tuple[bytes, bytes]] = attrs.field(default=(), init=False)
    _chunked: bool = attrs.field(default=False, init=False)
    _bodiless: bool = attrs.field(init=False)
    _left: int | None = attrs.field(default=None, init=False)
    """Bytes of the body that are owed; None where it was not said how many there will be."""

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take status and headers; raises `RuntimeError` out of turn, and `BadHead`."""
        if self._status:
            raise RuntimeError("a response has one start")
        self._first_line = STATUS_LINES.get(status) or _odd_status_line(status)
        self._status, self._headers = status, headers

    def write(self, body: bytes | memoryview, *, more: bool, may_stay: bool) -> tuple[bytes | memoryview, bytes | memoryview]:
        """Take a piece of the body; returns what to send, in one or two parts of which the second may be empty.

        Raises:
            RuntimeError: Before the start, after the end, or not as long as announced.
            BadHead: The headers cannot be sent.
        """
        if not self._status or self.finished:
            raise RuntimeError("the body of a response comes between its start and its end")
        head = b"" if self.head_made else self._make_head(body, more=more, may_stay=may_stay)
        framed = self._frame(body, more=more)
        self.head_made = True
        self.finished = not more
        if len(framed) > SENT_APART and head:
            return head, framed
        return (head + framed if head else framed), b""

    def _frame(self, body: bytes | memoryview, *, more: bool) -> bytes | memoryview:
        if self._bodiless:
            return b""
        if self._chunked:
            chunk = b"".join((b"%x\r\n" % len(body), body, b"\r\n")) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body of a response is not as long as its content-length says")
        return body

    def _make_head(self, body: bytes | memoryview, *, more: bool, may_stay: bool) -> bytes:
        request, status = self.request, self._status
        given, length, closes, is_dated = _encode_given(self._headers)
        self.keep_alive = may_stay and request.keep_alive and not closes
        self._bodiless = request.line.method == "HEAD" or status in (204, 304)
        parts = [self._first_line, given]
        if length is None and not self._bodiless:
            if not more:
                length = len(body)
            elif request.line.version == "1.1":
                self._chunked = True
                parts.append(b"transfer-encoding: chunked\r\n")
            else:
                self.until_close, self.keep_alive = True, False
        self._left = length
        if length is not None and status != 204:
            parts.append(b"content-length: %d\r\n" % length)
        if not is_dated:
            parts.append(self.date())
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        elif request.line.version == "1.0":
            parts.append(b"connection: keep-alive\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)


def _odd_status_line(status: int) -> bytes:
    """The same for a status without a name; raises `BadHead`."""
    if not 200 <= status <= 999:
        raise BadHead(f"{status} is not the status of a final response")
    return b"HTTP/1.1 %d \r\n" % status


def _encode_given(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, int | None, bool, bool]:
    """Header lines; the length of the body if they tell it; whether the connection shall close; whether they have a date.

    How the body is framed and whether the connection stays are not for the application to write, so those headers are read and left out.

    Raises:
        BadHead: A name or value that would break the head, or a length that is none.
    """
    lines: list[bytes] = []
    length: int | None = None
    closes = is_dated = False
    for name, value in headers:
        name = name.lower()  # noqa: PLW2901  applications are to give lower case, and not all do
        if name not in _OURS:
            lines.append(_line(name, value))
        elif name == b"content-length":
            if length is not None or not value.isdigit():
                raise BadHead("more than one content-length, or one that is no number")
            length = int(value)
        elif name == b"connection":
            closes = closes or b"close" in value.lower()
        elif name == b"date":
            is_dated = True
            lines.append(_line(name, value))
    return b"".join(lines), length, closes, is_dated


@lru_cache  # most answers have the same headers
def _line(name: bytes, value: bytes) -> bytes:
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        raise BadHead("a header whose name or value cannot be sent")
    return b"%b: %b\r\n" % (name, value)
