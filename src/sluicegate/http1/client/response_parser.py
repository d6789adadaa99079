"""HTTP/1.1 responses out of bytes: a parser without I/O, on llhttp.

What llhttp does not know: which request is answered, that the connection has ended, how many interim answers are too many, and that
nobody may say anything between two exchanges. Trailers are dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache

import attrs
import httptools

from ..framing import CHUNKS, RefusedMessage, declared_length, stays
from ..head_cache import HeadCache, KnownHead
from ..message_parser import CHUNKED, HEADERS, LINE, OVER, SIZED, UNTIL_EOF, MessageParser, append_piece

__all__ = ["ResponseParser"]

STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?\r\n")
MOST_HEADERS = 1000
SWITCHING = 101
LONGEST_KEPT = 64
"""Bytes of a status line that is remembered: a server has but a few."""

_JUDGED = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_BODILESS = frozenset({204, 304})
_ODD = frozenset({b"HEAD", b"CONNECT"})
"""Methods whose responses end elsewhere than their heads say."""


def read_status_line(line: bytes) -> tuple[str, int]:
    """Version and status; raises `RefusedMessage`."""
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        raise RefusedMessage(400, "malformed status line")
    return match[1].decode("ascii"), int(match[2])


_kept_status_line = lru_cache(read_status_line)


@attrs.define(eq=False, repr=False)
class ResponseParser(MessageParser):
    """The responses of one connection, one after another: `expect` before each request."""

    heads: HeadCache[int] = attrs.field(factory=HeadCache, kw_only=True)
    """With their status."""
    max_head: int = attrs.field(default=65_536, kw_only=True)
    """Bytes of one status line and its headers."""
    most_interim: int = attrs.field(default=8, kw_only=True)
    """Answers with a status of 1xx before the real one."""
    status: int = attrs.field(default=0, init=False)
    """0 until the head is complete."""
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list, init=False)
    """Names in lower case, values without white space around them; empty until the head is complete."""
    body: list[bytes] = attrs.field(factory=list, init=False)
    """The pieces that came and were not taken yet; who takes them clears the list."""
    complete: bool = attrs.field(default=False, init=False)
    keep_alive: bool = attrs.field(default=True, init=False)
    """Whether the connection may carry another request; not after a failure, or bytes that nobody asked for."""
    failure: str = attrs.field(default="", init=False)
    """Why there is no (whole) response."""
    _method: bytes = attrs.field(default=b"", init=False)
    _version: str = attrs.field(default="", init=False)
    _coming: int = attrs.field(init=False)
    """The status of the head that is coming."""
    _judged: dict[bytes, list[bytes]] = attrs.field(factory=dict, init=False)
    _interim: int = attrs.field(init=False)
    _stage: int = attrs.field(default=OVER, init=False)

    def __attrs_post_init__(self) -> None:
        self._max_head = self.max_head

    def _make_llhttp(self) -> httptools.HttpResponseParser:
        return httptools.HttpResponseParser(self)

    def expect(self, method: bytes) -> None:
        """A request with this method is about to be sent. On a connection that is not `keep_alive`, it has failed already."""
        self._method = method
        self.status = self._interim = 0
        self.headers = []
        self.body = []
        self.complete = False
        if self.keep_alive and self._stage == OVER:
            self._stage = LINE
        else:
            self._fail(self.failure or "the connection cannot carry another request")

    def eof(self) -> None:
        """The peer will not send any more. Never raises."""
        self.keep_alive = False
        if self._stage == UNTIL_EOF:
            self._end()
        elif self._stage == LINE and not self._kept and not self._interim:
            self._fail("closed before the response")
        elif self._stage != OVER:
            self._fail("closed in the middle of the response")

    def _refuse(self, refused: RefusedMessage) -> None:
        self._fail(refused.reason)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.keep_alive = False
        self._stage = OVER

    def _end(self) -> None:
        self.complete = True
        self._stage = OVER

    def _read_line(self, data: bytes, start: int) -> int:
        end = data.find(b"\n", start) + 1
        if (end or len(data)) - start > self.max_head:
            raise RefusedMessage(431, "head too large")
        if not end:
            return 0
        found = None if self._method in _ODD else self.heads.find(data, start)
        if found is not None and found[2] is not None and (used := self._take_known(data, start, found[0], found[1], found[2])):
            return used
        read = read_status_line if end - start > LONGEST_KEPT else _kept_status_line
        self._version, self._coming = read(data[start:end])
        self._stage = HEADERS
        self._used = 0
        self._headers = []
        self._judged = {}
        self._passed = False
        used = self._read_up_to_empty_line(data, start)
        if found is not None and self._stage == SIZED and self.keep_alive:
            self.heads.keep(found[0], found[1], self.status, self.headers)
        return used

    def _take_known(self, data: bytes, start: int, head: bytes, digits: bytes, known: KnownHead[int]) -> int:
        """Go on after a head that was read before, and its body, if that is there as a whole; bytes used, 0 if it is too large."""
        size, length = len(head) + len(digits), int(digits)
        if size > self.max_head:
            return 0
        self.status = known.first
        self.headers = known.headers(digits)
        body, end = start + size, start + size + length
        if end > len(data):
            self._begin_known(length)
            return size
        if length:
            self.body.append(data[body:end])
        self._end()
        return end - start

    def _read_raw(self, data: bytes, start: int) -> None:
        if self._stage == UNTIL_EOF:
            append_piece(self.body, data[start:])
        else:
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or trailer."""
        if self._stage != HEADERS:
            return
        headers = self._headers
        if len(headers) == MOST_HEADERS:
            raise RefusedMessage(431, "too many headers")
        name = name.lower()
        value = value.rstrip(b" \t")
        headers.append((name, value))
        if name in _JUDGED:
            self._judged.setdefault(name, []).append(value)

    def on_headers_complete(self) -> None:
        """A head has come: an interim one, or the real one."""
        if self._coming < 200:
            self._pass_over_interim()
            return
        judged = self._judged
        length = declared_length(judged.get(b"content-length"), judged.get(b"transfer-encoding"), self._version)
        self.keep_alive = stays(self._version, judged.get(b"connection"))
        self.status = self._coming
        self.headers = self._headers
        self._used = self._content = 0
        if self._has_no_body():
            self._llhttp = None  # the old one may wait for the body that a HEAD would have had
            self._end()
        elif length is None:
            self.keep_alive = False
            self._llhttp = None
            self._stage = UNTIL_EOF
        elif length == CHUNKS:
            self._stage = CHUNKED
        else:
            self._stage = SIZED
            self._left = length

    def _pass_over_interim(self) -> None:
        if self._coming == SWITCHING:
            raise RefusedMessage(400, "switches to a protocol that nobody asked for")
        self._interim += 1
        if self._interim > self.most_interim:
            raise RefusedMessage(400, "too many interim answers")
        self._stage = LINE

    def _has_no_body(self) -> bool:
        return self._method == b"HEAD" or self.status in _BODILESS or (self._method == b"CONNECT" and self.status < 300)

    def on_body(self, piece: bytes) -> None:
        """Some of the body."""
        self._content += len(piece)
        append_piece(self.body, piece)

    def on_message_complete(self) -> None:
        """The response has ended, or an interim one."""
        if CHUNKED <= self._stage <= SIZED:
            self._check_overhead()
            self._end()
