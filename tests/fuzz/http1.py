"""The HTTP/1.1 parsers: a message is the same however it is cut, and h11 and plain llhttp never see its end elsewhere.

We refuse much that they accept. What we accept they have read as the same message, of the same bytes; only an empty line before a request
is nothing that h11 knows, and offers of other protocols make llhttp stop. The first byte of an input says what it is.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import attrs
import h11
import httptools
from tests.fuzz.timing import in_time

from sluicegate.http1.client.response_parser import ResponseParser
from sluicegate.http1.head_cache import HeadCache
from sluicegate.http1.server.request_head import RequestLine
from sluicegate.http1.server.request_parser import HeadLimits, RequestParser, ServerRequest

__all__ = ["LONGEST", "SEEDS", "TOKENS", "check"]

LONGEST = 4096
"""Bytes of an input; more would meet the limit for what is around chunks, which looks after each piece."""

VECTORS = Path(__file__).parent.parent / "http1"
TOKENS = (
    *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b"\0", b":", b",", b";", b"=", b'"', b"0", b"0\r\n\r\n", b"3\r\nabc\r\n"),
    *(
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: ",
        b"chunked",
        b"Connection: ",
        b"close",
        b"keep-alive",
        b"Upgrade: h2c\r\n",
        b"upgrade",
    ),
    *(
        b"Host: a\r\n",
        b"Expect: 100-continue\r\n",
        b"HTTP/1.0",
        b"HTTP/1.1",
        b"http://a/",
        b"GET / ",
        b"HEAD / ",
        b"HTTP/1.1 100 \r\n",
        b" 204 ",
        b" 304 ",
    ),
)
METHODS = (b"GET", b"HEAD", b"CONNECT")
NARROW = HeadLimits(target=16, head=128, headers=4, body=16, ahead=2)


def seeds() -> Iterator[bytes]:
    """What the tables of the tests hold, as requests of both kinds of limits, and as responses."""
    for vector in runpy.run_path(str(VECTORS / "request_vectors.py"))["VECTORS"]:
        if len(vector.data) < LONGEST:
            yield from (b"\x00" + vector.data, b"\x01" + vector.data)
    for vector in runpy.run_path(str(VECTORS / "response_vectors.py"))["VECTORS"]:
        if len(vector.data) < LONGEST:
            yield bytes([2 + METHODS.index(vector.method) if vector.method in METHODS else 2]) + vector.data


SEEDS = list(seeds())


def check(data: bytes) -> None:
    """Raises `AssertionError` for a finding."""
    kind, payload = data[:1], data[1:]
    in_time(work, data)
    size = payload[0] % 7 + 2 if payload else 1
    if kind < b"\x01":
        check_requests(payload, size, HeadLimits())
    elif kind < b"\x02":
        check_requests(payload, size, NARROW)
    else:
        check_response(payload, size, METHODS[(kind[0] - 2) % len(METHODS)])


def work(data: bytes) -> None:
    """All that we do to it."""
    if data[:1] <= b"\x01":
        read_requests([data[1:]], HeadLimits())
    else:
        read_response([data[1:]], METHODS[(data[0] - 2) % len(METHODS)])


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The data in pieces of that size."""
    return (data[at : at + size] for at in range(0, len(data), size))


class Seen(NamedTuple):
    """A complete message, and after how many bytes it was complete."""

    end: int
    first: tuple[bytes, ...]
    headers: list[tuple[bytes, bytes]]
    body: bytes


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers as all three readers would tell them: h11 writes codings in small letters."""
    told = [(name.lower(), value.strip(b" \t")) for name, value in pairs]
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in told]


def agree(ours: list[Seen], theirs: list[Seen]) -> None:
    """What both have read is the same."""
    common = min(len(ours), len(theirs))
    assert ours[:common] == theirs[:common]


# Requests


def read_requests(
    chunks: Iterable[bytes], limits: HeadLimits, heads: HeadCache[RequestLine] | None = None
) -> tuple[list[object], RequestParser, list[Seen]]:
    """Everything that a server would learn, and the complete requests."""
    parser = RequestParser(limits, heads or HeadCache())
    requests: list[ServerRequest] = []
    ends: list[int] = []
    fed = 0
    for chunk in chunks:
        fed += len(chunk)
        parser.feed(chunk)
        while parser.requests:
            requests.append(parser.requests.pop(0))
            parser.feed(b"")
        ends += [fed] * (sum(request.complete for request in requests) - len(ends))
    for request in requests:
        assert request.waiting == sum(map(len, request.body))
    cut = limits is NARROW  # how much comes of a body before it is too long depends on its pieces
    told: list[object] = [
        attrs.asdict(request) | ({"body": b"".join(request.body)} if request.complete or not cut else {"body": b"", "waiting": 0})
        for request in requests
    ]
    complete = [
        Seen(end, (request.line.method.encode(), request.line.target), headers_of(request.headers), b"".join(request.body))
        for end, request in zip(ends, requests, strict=False)
    ]
    return told, parser, complete


def check_requests(data: bytes, size: int, limits: HeadLimits) -> None:
    """All properties of the bytes on one connection to a server."""
    whole, parser, _ = read_requests([data], limits)
    singly, slow, complete = read_requests(pieces(data, 1), limits)
    assert whole == singly == read_requests(pieces(data, size), limits)[0]
    assert (parser.failure is None) == (slow.failure is None)
    assert parser.failure == slow.failure or {413, 414, 431} & {refusal.status for refusal in (parser.failure, slow.failure) if refusal}
    assert parser.is_idle == slow.is_idle
    heads = HeadCache[RequestLine]()
    for _ in range(3):  # a head is kept when it comes again, and known from then on
        again, known, _ = read_requests([data], limits, heads)
        assert again == whole
        assert (known.failure, known.is_idle) == (parser.failure, parser.is_idle)
    if limits is NARROW:
        return
    plain, upgrades = llhttp_requests(data)
    agree(complete, plain)
    assert upgrades or len(complete) <= len(plain)
    theirs, why = h11_requests(data)
    agree(complete, theirs)
    stopped_at = theirs[-1].end if theirs else 0
    assert len(complete) <= len(theirs) or not why or data[stopped_at:].startswith(b"\r\n"), why


def llhttp_requests(data: bytes) -> tuple[list[Seen], bool]:
    """What llhttp alone makes of it, and whether it stopped at an upgrade."""
    reader = Llhttp()
    reader.parser = parser = httptools.HttpRequestParser(reader)
    try:
        for byte in pieces(data, 1):
            reader.fed += 1
            parser.feed_data(byte)
    except httptools.HttpParserUpgrade:
        return reader.seen[:-1], True
    except httptools.HttpParserError:
        pass
    return reader.seen, False


def h11_requests(data: bytes) -> tuple[list[Seen], str]:
    """What h11 makes of it up to the first request after which it would close (of 1.0 that is each), and what it does not like."""
    connection = h11.Connection(h11.SERVER)
    seen: list[Seen] = []
    request, body = None, b""
    try:
        for fed, byte in enumerate(pieces(data, 1), 1):
            connection.receive_data(byte)
            while not isinstance(event := connection.next_event(), type):
                if isinstance(event, h11.Request):
                    request, body = event, b""
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    assert request is not None
                    seen.append(Seen(fed, (request.method, request.target), headers_of(request.headers), body))
                    if not answer(connection):
                        return seen, ""
    except h11.RemoteProtocolError as error:
        return seen, str(error)
    return seen, ""


def answer(connection: h11.Connection) -> bool:
    """Answer the request; whether there may be another one."""
    connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))  # a 200 to a CONNECT would be a tunnel
    connection.send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


class Llhttp:
    """The complete messages that llhttp calls back for."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.fed = 0
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser

    def on_message_begin(self) -> None:
        self.target, self.headers, self.body, self.in_head = b"", list[tuple[bytes, bytes]](), b"", True

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        parser = self.parser
        first: tuple[bytes, ...]
        if isinstance(parser, httptools.HttpRequestParser):
            first = (parser.get_method(), self.target)
        else:
            first = (b"%d" % parser.get_status_code(),)
        self.seen.append(Seen(self.fed, first, headers_of(self.headers), self.body))


# Responses


def read_response(chunks: Iterable[bytes], method: bytes, heads: HeadCache[int] | None = None) -> tuple[tuple[object, ...], list[Seen]]:
    """Everything that a client would learn, and the response if it is complete."""
    parser = ResponseParser(heads=heads or HeadCache())
    parser.expect(method)
    end = fed = 0
    for chunk in chunks:
        fed += len(chunk)
        parser.feed(chunk)
        end = end or fed * parser.complete
    complete, body = parser.complete, b"".join(parser.body)
    parser.eof()
    told = (parser.status, parser.headers, body, complete, parser.complete, parser.keep_alive, parser.failure)
    return told, [Seen(end, (b"%d" % parser.status,), headers_of(parser.headers), body)] if complete else []


def check_response(data: bytes, size: int, method: bytes) -> None:
    """All properties of the bytes that answer one request."""
    whole, _ = read_response([data], method)
    singly, complete = read_response(pieces(data, 1), method)
    heads = HeadCache[int]()
    assert all(read_response([data], method, heads)[0] == whole for _ in range(3))
    assert whole == singly == read_response(pieces(data, size), method)[0]
    if method == b"GET":
        plain, upgrades = llhttp_response(data)
        agree(complete, plain)
        assert upgrades or len(complete) <= len(plain)
    agree(complete, h11_response(data, method))


def llhttp_response(data: bytes) -> tuple[list[Seen], bool]:
    """What llhttp alone makes of the first response that is no interim one, and whether it stopped at an upgrade."""
    reader = Llhttp()
    reader.parser = parser = httptools.HttpResponseParser(reader)
    upgrades = False
    try:
        for byte in pieces(data, 1):
            reader.fed += 1
            parser.feed_data(byte)
    except httptools.HttpParserUpgrade:
        upgrades = True
    except httptools.HttpParserError:
        pass
    return [seen for seen in reader.seen if not seen.first[0].startswith(b"1")][:1], upgrades


def h11_response(data: bytes, method: bytes) -> list[Seen]:
    """What h11 makes of it."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/" if method != b"CONNECT" else "a:1", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    response, body = None, b""
    with suppress(h11.RemoteProtocolError):
        for fed, byte in enumerate(pieces(data, 1), 1):
            connection.receive_data(byte)
            while not isinstance(event := connection.next_event(), type):
                if isinstance(event, h11.Response):
                    response, body = event, b""
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    assert response is not None
                    return [Seen(fed, (b"%d" % response.status_code,), headers_of(response.headers), body)]
    return []
