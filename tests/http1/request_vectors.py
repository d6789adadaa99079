"""Requests of all kinds, and what becomes of them: the complete ones in order, then the status of the refusal, 0 if there is none.

Loaded by path (``runpy``), because test folders are no packages.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["VECTORS", "Vector"]


class Vector(NamedTuple):
    """Bytes on a connection; ``requests`` are (method, target, body)."""

    name: str
    data: bytes
    requests: tuple[tuple[str, bytes, bytes], ...] = ()
    status: int = 0


HEAD = b"POST /mcp HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
SECOND = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
ADMIN = ("GET", b"/admin", b"")
ROOT = ("GET", b"/", b"")
EMPTY = ("POST", b"/mcp", b"")
ABC = ("POST", b"/mcp", b"abc")


def refused(name: str, data: bytes, status: int = 400) -> Vector:
    """Nothing of it is a request."""
    return Vector(name, data, (), status)


def accepted(name: str, data: bytes, *requests: tuple[str, bytes, bytes]) -> Vector:
    """All of it is."""
    return Vector(name, data, requests)


def with_header(line: bytes, body: bytes = b"") -> bytes:
    """A POST with one more header."""
    return HEAD + line + b"\r\n\r\n" + body


def around_thousand(size: int) -> bytes:
    """A chunked request whose body has a thousand bytes of content, and so many around it."""
    beside = len(b"3e8\r\n" + b"\r\n" + b"0;" + b"\r\n\r\n")
    return CHUNKED + b"3e8\r\n" + b"a" * 1000 + b"\r\n0;" + b"x" * (size - beside) + b"\r\n\r\n"


LENGTH = [
    refused("length and chunked", with_header(b"Content-Length: 6\r\nTransfer-Encoding: chunked", b"0\r\n\r\nG")),
    refused("chunked and length", with_header(b"Transfer-Encoding: chunked\r\nContent-Length: 6", b"0\r\n\r\nG")),
    refused("two lengths that differ", with_header(b"Content-Length: 3\r\nContent-Length: 5", b"abcde")),
    refused("the same length twice", with_header(b"Content-Length: 3\r\nContent-Length: 3", b"abc")),
    refused("a list of lengths", with_header(b"Content-Length: 3, 3", b"abc")),
    refused("length +3", with_header(b"Content-Length: +3", b"abc")),
    refused("length -1", with_header(b"Content-Length: -1", b"abc")),
    refused("length 0x3", with_header(b"Content-Length: 0x3", b"abc")),
    refused("length 3 4", with_header(b"Content-Length: 3 4", b"abc")),
    refused("length 3_0", with_header(b"Content-Length: 3_0", b"abc")),
    refused("length 3.0", with_header(b"Content-Length: 3.0", b"abc")),
    refused("length 2^64 + 3", with_header(b"Content-Length: 18446744073709551619", b"abc")),
    refused("length of 19 digits", with_header(b"Content-Length: 1000000000000000000", b"abc")),
    refused("length of 5 000 digits", with_header(b"Content-Length: " + b"0" * 5000 + b"3", b"abc")),
    accepted("length with zeros before it", with_header(b"Content-Length: 0003", b"abc"), ABC),
    accepted("length between tabs", with_header(b"Content-Length:\t3\t", b"abc"), ABC),
    accepted("length in odd case", with_header(b"cOnTeNt-LeNgTh: 3", b"abc"), ABC),
    refused("empty length", with_header(b"Content-Length: ", SECOND)),
    refused("space before the colon of a length", with_header(b"Content-Length : 3", b"abc")),
    Vector("less than the length", with_header(b"Content-Length: 5", b"abc")),
    Vector("more than the length", with_header(b"Content-Length: 3", b"abcx"), (ABC,), 400),
    Vector("no length and bytes", HEAD + b"\r\nabc", (EMPTY,), 400),
    accepted("GET with a body", GET + b"Content-Length: 3\r\n\r\nabc", ("GET", b"/", b"abc")),
    accepted("length under another name", with_header(b"Content_Length: 3"), EMPTY),
]

CODING = [
    refused("space before the colon of a coding", with_header(b"Transfer-Encoding : chunked", b"0\r\n\r\n")),
    refused("xchunked", with_header(b"Transfer-Encoding: xchunked", b"0\r\n\r\n"), 501),
    refused("identity and length", with_header(b"Transfer-Encoding: identity\r\nContent-Length: 3", b"abc")),
    refused("identity", with_header(b"Transfer-Encoding: identity", b"abc"), 501),
    refused("chunked, identity", with_header(b"Transfer-Encoding: chunked, identity", b"0\r\n\r\n")),
    refused("gzip, chunked", with_header(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"), 501),
    refused("chunked, chunked", with_header(b"Transfer-Encoding: chunked, chunked", b"0\r\n\r\n")),
    refused("chunked and cow", with_header(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", b"0\r\n\r\n")),
    refused("chunked twice", with_header(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    refused("empty coding", with_header(b"Transfer-Encoding: ", b"0\r\n\r\n")),
    refused("quoted chunked", with_header(b'Transfer-Encoding: "chunked"', b"0\r\n\r\n"), 501),
    refused("chunked;q=1", with_header(b"Transfer-Encoding: chunked;q=1", b"0\r\n\r\n"), 501),
    refused("a comma before chunked", with_header(b"Transfer-Encoding: ,chunked", b"0\r\n\r\n"), 501),
    refused("vertical tab before chunked", with_header(b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n")),
    accepted("tab before chunked", with_header(b"Transfer-Encoding:\tchunked", b"0\r\n\r\n"), EMPTY),
    accepted("chunKed", with_header(b"Transfer-Encoding: chunKed", b"0\r\n\r\n"), EMPTY),
    refused("chunked in 1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
]

CHUNKS = [
    Vector("chunk size 0x3", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", (), 400),
    Vector("chunk size +3", CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", (), 400),
    Vector("chunk size -1", CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n", (), 400),
    Vector("empty chunk size", CHUNKED + b"\r\nabc\r\n0\r\n\r\n", (), 400),
    Vector("chunk size over 2^64", CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n", (), 400),
    Vector("space after a chunk size", CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", (), 400),
    Vector("space before a chunk size", CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", (), 400),
    accepted("chunk size in capitals, with zeros", CHUNKED + b"00A\r\n0123456789\r\n0\r\n\r\n", ("POST", b"/mcp", b"0123456789")),
    accepted("empty lines in chunks", CHUNKED + b"8\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n" + SECOND, ("POST", b"/mcp", b"\r\n" * 4), ADMIN),
    accepted("chunk extension", CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n", ABC),
    accepted("quoted chunk extension", CHUNKED + b'3;a="b;c"\r\nabc\r\n0\r\n\r\n', ABC),
    Vector("bare LF in a chunk extension", CHUNKED + b"3;\nabc\r\n0\r\n\r\n", (), 400),
    Vector("bare CR in a chunk extension", CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n", (), 400),
    Vector("bare LF after a chunk size", CHUNKED + b"3\nabc\r\n0\r\n\r\n", (), 400),
    Vector("bare LF after a chunk", CHUNKED + b"3\r\nabc\n0\r\n\r\n", (), 400),
    Vector("bare LF at the end of chunks", CHUNKED + b"3\r\nabc\r\n0\n\n", (), 400),
    Vector("a chunk longer than its size", CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", (), 400),
    Vector("a chunk shorter than its size", CHUNKED + b"3\r\nab\r\n0\r\n\r\n", (), 400),
    Vector("no last chunk", CHUNKED + b"3\r\nabc\r\n"),
    Vector("no end after the last chunk", CHUNKED + b"3\r\nabc\r\n0\r\n"),
    Vector("chunk extension of 1 MiB", CHUNKED + b"3;" + b"a" * (1 << 20) + b"\r\nabc\r\n0\r\n\r\n", (), 400),
    accepted("16 KiB around the content, and 8 for each byte of it", around_thousand(24_384), ("POST", b"/mcp", b"a" * 1000)),
    Vector("a byte more around the content", around_thousand(24_385), (), 400),
    accepted("a thousand chunks of one byte", CHUNKED + b"1\r\na\r\n" * 1000 + b"0\r\n\r\n", ("POST", b"/mcp", b"a" * 1000)),
    Vector("a length among the trailers", CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", (), 400),
    Vector("a coding among the trailers", CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", (), 400),
    accepted("trailers", CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: x\r\nHost: b\r\n\r\n" + SECOND, ABC, ADMIN),
    Vector("a trailer without a colon", CHUNKED + b"0\r\nfoo\r\n\r\n", (), 400),
    Vector("trailers of 1 MiB", CHUNKED + b"0\r\n" + b"a: b\r\n" * 170_000 + b"\r\n", (), 400),
]

LINES = [
    refused("bare LF after the request line", b"POST /mcp HTTP/1.1\nHost: a\r\n\r\n"),
    refused("bare LF after headers", b"POST /mcp HTTP/1.1\r\nHost: a\nContent-Length: 0\n\n"),
    refused("bare LF at the end of a head", b"POST /mcp HTTP/1.1\r\nHost: a\r\n\n"),
    refused("bare CR after a header", b"POST /mcp HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
    refused("CR in a value", with_header(b"X: a\rb")),
    refused("LF in a value", with_header(b"X: a\nEvil: b")),
    refused("NUL in a value", with_header(b"X: a\0b")),
    refused("DEL in a value", with_header(b"X: a\x7fb")),
    refused("folded value", with_header(b"X: a\r\n b")),
    refused("folded coding", with_header(b"Transfer-Encoding:\r\n chunked", b"0\r\n\r\n")),
    refused("space before the first header", b"POST /mcp HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"),
    refused("header without a colon", with_header(b"foo")),
    refused("header without a name", with_header(b": b")),
    refused("brackets in a name", with_header(b"X(y): b")),
    refused("space in a name", with_header(b"X y: b")),
    refused("NUL in a name", with_header(b"X\0y: b")),
    refused("umlaut in a name", with_header(b"X\xfcy: b")),
    accepted("umlaut in a value", with_header(b"X: \xff"), EMPTY),
    refused("1.2", b"POST / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    refused("2.0", b"POST / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    refused("0.9", b"GET /\r\n\r\n"),
    refused("1.01", b"GET / HTTP/1.01\r\nHost: a\r\n\r\n"),
    refused("1.10", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    refused("http in small letters", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    refused("space after the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    refused("two spaces in the request line", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("tab in the request line", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("space in a target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("method in small letters", b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("unknown method", b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    refused("ICE", b"SOURCE / ICE/1.0\r\nHost: a\r\n\r\n"),
    refused("RTSP", b"POST / RTSP/1.0\r\nHost: a\r\n\r\n"),
    refused("CONNECT", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" + SECOND, 501),
    refused("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    refused("a response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    accepted("two empty lines first", b"\r\n\r\n" + GET + b"\r\n", ROOT),
    accepted("four empty lines first", b"\r\n" * 4 + GET + b"\r\n", ROOT),
    refused("five empty lines first", b"\r\n" * 5 + GET + b"\r\n"),
    refused("bare LF first", b"\n" + GET + b"\r\n"),
    refused("bare CR first", b"\r" + GET + b"\r\n"),
    accepted("an empty line between", GET + b"\r\n\r\n" + SECOND, ROOT, ADMIN),
    accepted("method with a hyphen", b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", ("M-SEARCH", b"/", b"")),
    accepted("1.0", b"GET / HTTP/1.0\r\n\r\n", ROOT),
    Vector("half a head", GET + b"X: y\r\n"),
]

TARGETS = [
    refused("byte over 127 in a target", b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("NUL in a target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("fragment", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("no slash", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("target *", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    accepted("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ("OPTIONS", b"*", b"")),
    accepted("absolute target", b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", ("GET", b"http://a/b?c", b"")),
    accepted("absolute target in odd case", b"GET HTTP://A:80/ HTTP/1.1\r\nHost: a:80\r\n\r\n", ("GET", b"HTTP://A:80/", b"")),
    accepted("absolute target without a path", b"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", ("GET", b"http://a?b", b"")),
    refused("absolute target of another host", b"POST http://evil/mcp HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("absolute target with a user", b"GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    refused("absolute target with a user in 1.0", b"GET http://u@a/ HTTP/1.0\r\n\r\n"),
    refused("absolute target without a host", b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("absolute target of another scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("no Host", b"POST /mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
    refused("two Hosts", b"POST /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    refused("the same Host twice", b"POST /mcp HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    refused("two Hosts in 1.0", b"POST /mcp HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    refused("Host with a user and a space", b"POST /mcp HTTP/1.1\r\nHost: a@b c\r\n\r\n"),
    refused("Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    refused("Host with a word for a port", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    refused("Host with two ports", b"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"),
    refused("empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    refused("half an IPv6 address", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    accepted("IPv6 address", b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", ROOT),
]

SIZES = [
    accepted("target of 8 KiB", b"GET /" + b"a" * 8191 + b" HTTP/1.1\r\nHost: a\r\n\r\n", ("GET", b"/" + b"a" * 8191, b"")),
    refused("target of a byte more", b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    refused("target of 10 MiB", b"GET /" + b"a" * (10 << 20) + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    accepted("head of 64 KiB", GET + b"X: " + b"a" * (65_536 - len(GET) - 7) + b"\r\n\r\n", ROOT),
    refused("head of a byte more", GET + b"X: " + b"a" * (65_537 - len(GET) - 7) + b"\r\n\r\n", 431),
    refused("header value of 10 MiB", b"GET / HTTP/1.1\r\nX: " + b"a" * (10 << 20) + b"\r\n\r\n", 431),
    refused("header name of 10 MiB", b"GET / HTTP/1.1\r\n" + b"a" * (10 << 20), 431),
    refused("spaces of 10 MiB", b"GET / HTTP/1.1\r\nX:" + b" " * (10 << 20), 431),
    accepted("100 headers", GET + b"a: b\r\n" * 99 + b"\r\n", ROOT),
    refused("101 headers", GET + b"a: b\r\n" * 100 + b"\r\n", 431),
    refused("100 000 headers", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000 + b"\r\n", 431),
]

WISHES = [
    accepted("two requests at once", with_header(b"Content-Length: 3", b"abc") * 2, ABC, ABC),
    Vector("a request and a broken one", with_header(b"Content-Length: 3", b"abc") + b"nonsense", (ABC,), 400),
    Vector("a request and a broken body", SECOND + CHUNKED + b"3\r\nabcd", (ADMIN,), 400),
    accepted("nothing counts after close", with_header(b"Connection: close") + SECOND, EMPTY),
    accepted("nothing counts after close among others", with_header(b"Connection: foo, Close ,bar", b"") + b"nonsense", EMPTY),
    accepted("nothing counts after 1.0", b"GET / HTTP/1.0\r\n\r\n" + SECOND, ROOT),
    accepted("1.0 that stays", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + SECOND, ROOT, ADMIN),
    accepted(
        "offer of HTTP/2 with a body",
        with_header(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 3", b"abc" + SECOND),
        ABC,
        ADMIN,
    ),
    accepted(
        "offer of HTTP/2 with chunks",
        with_header(b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n" + SECOND),
        ABC,
        ADMIN,
    ),
    Vector("offer of HTTP/2 with half a body", with_header(b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4", b"abc")),
    accepted("offer of HTTP/2 and close", with_header(b"Connection: Upgrade, close\r\nUpgrade: h2c") + SECOND, EMPTY),
    accepted("offer of a WebSocket", GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + SECOND, ROOT, ADMIN),
    accepted("offer without Connection", GET + b"Upgrade: websocket\r\n\r\n" + SECOND, ROOT, ADMIN),
    Vector("Expect without its body", with_header(b"Expect: 100-continue\r\nContent-Length: 3")),
    accepted("Expect with its body", with_header(b"Expect: 100-Continue\r\nContent-Length: 3", b"abc"), ABC),
    accepted("empty Expect", with_header(b"Expect:"), EMPTY),
    refused("unknown Expect", with_header(b"Expect: miracles"), 417),
    accepted("unknown Expect in 1.0", b"GET / HTTP/1.0\r\nExpect: miracles\r\n\r\n", ROOT),
]

VECTORS = [*LENGTH, *CODING, *CHUNKS, *LINES, *TARGETS, *SIZES, *WISHES]
