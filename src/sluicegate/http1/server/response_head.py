"""The head of a response: what an application gave, checked and completed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus

import attrs

from .dates import date_headers
from .request_parser import Refusal

__all__ = [
    "BODY_TOO_SLOW",
    "BUG",
    "CONTINUE",
    "FULL",
    "HEAD_TOO_SLOW",
    "STATUS_LINES",
    "TOO_MUCH",
    "BadHead",
    "DateLine",
    "encode_given",
    "odd_status_line",
    "plain_answer",
]

HEAD_TOO_SLOW = Refusal(408, "the head of the request came too slowly")
BODY_TOO_SLOW = Refusal(408, "the body of the request came too slowly")
BUG = Refusal(500, "Internal Server Error")
TOO_MUCH = Refusal(503, "too many large requests at a time")
FULL = Refusal(503, "too many connections")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"[^\0\r\n]*")
_OURS = frozenset({b"content-length", b"connection", b"transfer-encoding", b"date"})
"""Headers that the server has a say in."""
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status.value >= 200}
"""The first lines of final responses that have a name."""


class BadHead(ValueError):
    """An application gave something that cannot be the head of a response."""


@attrs.define(eq=False)
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


def odd_status_line(status: int) -> bytes:
    """The same for a status without a name; raises `BadHead`."""
    if not 200 <= status <= 999:
        raise BadHead(f"{status} is not the status of a final response")
    return b"HTTP/1.1 %d \r\n" % status


def encode_given(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, int | None, bool, bool]:
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


@lru_cache(256)  # most answers have the same headers
def _line(name: bytes, value: bytes) -> bytes:
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        raise BadHead("a header whose name or value cannot be sent")
    return b"%b: %b\r\n" % (name, value)


def plain_answer(refusal: Refusal, date: bytes) -> bytes:
    """A whole response of our own, after which the connection closes."""
    body = f"{refusal.reason}\n".encode()
    framing = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(body)
    return b"".join((STATUS_LINES[refusal.status], framing, date, b"connection: close\r\n\r\n", body))
