"""HTTP/1.1 requests out of bytes: a parser without I/O, on llhttp.

llhttp leaves much to its user: it accepts other protocols and versions, any number of Host headers, and blank lines without end. So the
request line is read here, and a head is judged as a whole before anybody sees it. Trailers are dropped: they come through the same callback
as headers, and an ``Authorization`` among them must not count as one.
"""

from __future__ import annotations

import attrs
import httptools
import msgspec

from ..framing import CHUNKS, EMPTY_LINE, RefusedMessage
from ..head_cache import HeadCache, KnownHead
from ..message_parser import CHUNKED, HEADERS, LINE, OVER, SIZED, MessageParser, append_piece
from .request_head import JUDGED, HeadLimits, RequestLine, ServerRequest, read_head, read_line

__all__ = ["HeadLimits", "Refusal", "RequestParser", "ServerRequest"]

CRLF = b"\r\n"
MOST_WEIGHT = 65_536
"""About how many bytes of memory the heads may take that nobody took; the last may be more."""
WEIGHT_OF_HEADER = 150
"""What Python adds to the bytes of a header: four bytes on the wire can become a tuple of two strings."""
MOST_BLANK = 4
"""Empty lines before a request. One is a known habit of old clients (RFC 9112 section 2.2)."""


class Refusal(msgspec.Struct, frozen=True):
    """What to answer before the connection is closed."""

    status: int
    reason: str


@attrs.define(eq=False, repr=False)
class RequestParser(MessageParser):
    """All requests of one connection, in order.

    It parses at most `HeadLimits.ahead` requests that nobody took; what came after them is kept as it is. Who has taken some goes on with
    ``feed(b"")``. After a failure, and after a request that closes the connection, everything is ignored.
    """

    limits: HeadLimits = attrs.field(factory=HeadLimits)
    heads: HeadCache[RequestLine] = attrs.field(factory=HeadCache)
    """What may be shared with other connections under the same limits."""
    requests: list[ServerRequest] = attrs.field(factory=list, init=False)
    """Those with a complete head that the server did not take yet, a few; it takes the first. (An empty deque has 760 bytes.)"""
    failure: Refusal | None = attrs.field(default=None, init=False)
    """Why there will be no further request. Those that were complete before are to be answered first."""
    failed_request: ServerRequest | None = attrs.field(default=None, init=False)
    """The request that broke off in its body, by a fault of its sender; it also stands, or stood, in `requests`."""
    _request: ServerRequest | None = attrs.field(default=None, init=False)
    """The one whose body is coming."""
    _line: RequestLine = attrs.field(init=False)
    """Of the head that is coming."""
    _judged: dict[bytes, list[bytes]] = attrs.field(factory=dict, init=False)
    _blank: int = attrs.field(default=0, init=False)
    _upgrading: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._max_head = self.limits.head

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a further request has come."""
        return self._stage == LINE and not self._kept

    @property
    def is_full(self) -> bool:
        """Whether it waits for somebody to take requests before it reads on."""
        requests = self.requests
        return len(requests) >= self.limits.ahead or (len(requests) > 1 and sum(request.weight for request in requests) >= MOST_WEIGHT)

    def has_enough(self, current: ServerRequest | None, most: int) -> bool:
        """Whether nothing more is to be read for now: too much has come that nobody took yet.

        Args:
            current: The request that was taken last, if its body is still being read.
            most: Bytes of bodies that may wait.
        """
        if self.failure is not None or self.is_full:
            return True
        waiting = 0 if current is None or current.complete else current.waiting
        for request in self.requests:
            waiting += request.waiting
        return waiting > most

    def _make_llhttp(self) -> httptools.HttpRequestParser:
        return httptools.HttpRequestParser(self)

    def _refuse(self, refused: RefusedMessage) -> None:
        self.failure = Refusal(refused.status, refused.reason)
        self.failed_request = self._request

    def _read_line(self, data: bytes, start: int) -> int:
        if self.requests and self.is_full:
            return 0
        if self._blank or data[start] in CRLF:
            blank = self._count_blank(data, start)
            return blank or self._read_line(data, start)
        found = self.heads.find(data, start)
        if found is not None and found[2] is not None and (used := self._take_known(data, start, found[0], found[1], found[2])):
            return used
        line = read_line(data, start, self.limits)
        if line is None:
            return 0
        self._line = line
        self._used = 0
        self._headers = []
        self._judged = {}
        self._stage = HEADERS
        self._passed = False
        used = self._read_up_to_empty_line(data, start)
        request = self._request
        if found is not None and request is not None and request.keep_alive and b"expect" not in self._judged:
            self.heads.keep(found[0], found[1], line, request.headers)
        return used

    def _take_known(self, data: bytes, start: int, head: bytes, digits: bytes, known: KnownHead[RequestLine]) -> int:
        """Go on after a head that was read before; bytes used. 0 if it is too large or its body is, which the parser has to say.

        A body that is there as a whole is taken at once, with no stage between: the connection stays after what is known.
        """
        size, length, most = len(head) + len(digits), int(digits), self.limits.body
        if size > self._max_head or (most is not None and length > most):
            return 0
        request = ServerRequest(known.first, known.headers(digits), length)
        request.weight = size + WEIGHT_OF_HEADER * len(request.headers)
        self.requests.append(request)
        body, end = start + size, start + size + length
        if end > len(data):
            self._request = request
            self._begin_known(length)
            return size
        if length:
            request.body.append(data[body:end])
            request.waiting = length
        request.complete = True
        return end - start

    def _count_blank(self, data: bytes, start: int) -> int:
        """Pass over a byte of an empty line, if it is one; the next bytes after a whole line may be a request."""
        expected = CRLF[self._blank % 2]
        if data[start] == expected and self._blank < MOST_BLANK * len(CRLF):
            self._blank += 1
            return 1
        if self._blank % 2 or data[start] in CRLF:
            raise RefusedMessage(400, "no request line")
        self._blank = 0
        return 0

    def _read_raw(self, data: bytes, start: int) -> None:
        """Nothing is wanted any more."""

    def _decline_upgrade(self) -> None:
        """Go on with HTTP/1.1. llhttp has skipped the body, so a new one starts with a head that has no offer."""
        self._upgrading = False
        self._llhttp = self._make_llhttp()
        ending = b"Transfer-Encoding: chunked" if self._stage == CHUNKED else b"Content-Length: %d" % self._left
        self._llhttp.feed_data(b"POST / HTTP/1.1\r\n" + ending + EMPTY_LINE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or trailer."""
        if self._stage != HEADERS:
            return
        headers = self._headers
        if len(headers) == self.limits.headers:
            raise RefusedMessage(431, "too many headers")
        name = name.lower()
        value = value.rstrip(b" \t")
        headers.append((name, value))
        if name in JUDGED:
            self._judged.setdefault(name, []).append(value)

    def on_headers_complete(self) -> None:
        """The head has come: judge it."""
        if self._stage != HEADERS:
            return
        request, length = read_head(self._line, self._headers, self._judged)
        if self.limits.body is not None and length > self.limits.body:
            raise RefusedMessage(413, "body too large")
        assert isinstance(self._llhttp, httptools.HttpRequestParser)
        self._upgrading = self._llhttp.should_upgrade()
        request.weight = self._used + WEIGHT_OF_HEADER * len(self._headers)
        self._request = request
        self._used = self._content = 0
        if length == CHUNKS:
            self._stage = CHUNKED
        else:
            self._stage = SIZED
            self._left = length
        self.requests.append(request)

    def on_body(self, piece: bytes) -> None:
        """Some of the body."""
        request = self._request
        assert request is not None
        self._content += len(piece)
        if self.limits.body is not None and self._content > self.limits.body:
            raise RefusedMessage(413, "body too large")
        append_piece(request.body, piece)
        request.waiting += len(piece)

    def on_message_complete(self) -> None:
        """The request has ended, unless llhttp only thinks so because of an upgrade."""
        request = self._request
        if self._upgrading or request is None:
            return
        self._check_overhead()
        request.complete = True
        self._stage = LINE if request.keep_alive else OVER
        self._request = None
