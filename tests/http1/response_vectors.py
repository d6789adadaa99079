"""Responses of all kinds, and what a client makes of them. Loaded by path (``runpy``), because test folders are no packages."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["VECTORS", "Vector"]


class Vector(NamedTuple):
    """Bytes that answer one request."""

    name: str
    data: bytes
    status: int = 0
    """0 if there is no complete head."""
    body: bytes = b""
    complete: bool = False
    keep_alive: bool = False
    failure: str = ""
    """A part of it; empty if there is none."""
    method: bytes = b"POST"
    eof: bool = False
    """Whether the connection ends after the bytes."""


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ABC = OK + b"Content-Length: 3\r\n\r\nabc"


def good(name: str, data: bytes, body: bytes = b"", status: int = 200, *, method: bytes = b"POST", keep_alive: bool = True) -> Vector:
    """A whole response."""
    return Vector(name, data, status, body, complete=True, keep_alive=keep_alive, method=method)


def bad(name: str, data: bytes, failure: str, status: int = 0, body: bytes = b"") -> Vector:
    """No response, or only a part of one."""
    return Vector(name, data, status, body, failure=failure)


def partial(name: str, data: bytes, status: int = 0, body: bytes = b"") -> Vector:
    """What is there is good, and the rest is missing."""
    return Vector(name, data, status, body, keep_alive=True)


def head_of(size: int) -> bytes:
    """A head of so many bytes, and no body."""
    head = OK + b"Content-Length: 0\r\nX: "
    return head + b"a" * (size - len(head) - 4) + b"\r\n\r\n"


def around_thousand(size: int) -> bytes:
    """A chunked body with a thousand bytes of content, and so many around it."""
    beside = len(b"3e8\r\n" + b"\r\n" + b"0;" + b"\r\n\r\n")
    return CHUNKED + b"3e8\r\n" + b"a" * 1000 + b"\r\n0;" + b"x" * (size - beside) + b"\r\n\r\n"


LENGTH = [
    good("length", ABC, b"abc"),
    good("no body", OK + b"Content-Length: 0\r\n\r\n"),
    good("202 without a body", b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", status=202),
    good("length in 1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", keep_alive=False),
    partial("less than the length", OK + b"Content-Length: 5\r\n\r\nabc", 200, b"abc"),
    good("more than the length", ABC + b"d", b"abc", keep_alive=False),
    good("a second response", ABC + ABC, b"abc", keep_alive=False),
    good("an empty line after the response", ABC + b"\r\n", b"abc", keep_alive=False),
    bad("the same length twice", OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "Content-Length"),
    bad("two lengths that differ", OK + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", "Content-Length"),
    bad("length -1", OK + b"Content-Length: -1\r\n\r\n", "Content-Length"),
    bad("length of 19 digits", OK + b"Content-Length: 1000000000000000000\r\n\r\n", "Content-Length"),
    bad("length and chunked", OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Content-Length"),
    bad("chunked and length", OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "Content-Length"),
]

CODING = [
    good("chunks", CHUNKED + b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", b"abcd"),
    good("chunks with empty lines", CHUNKED + b"9\r\ndata\r\n\r\n\n\r\n0\r\n\r\n", b"data\r\n\r\n\n"),
    good("trailers", CHUNKED + b"3\r\nabc\r\n0\r\nContent-Type: x\r\n\r\n", b"abc"),
    good("more than the chunks", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n0\r\n\r\n", b"abc", keep_alive=False),
    partial("half a chunk", CHUNKED + b"3\r\nab", 200, b"ab"),
    partial("no last chunk", CHUNKED + b"3\r\nabc\r\n", 200, b"abc"),
    bad("a chunk longer than its size", CHUNKED + b"3\r\nabcd\r\n", "chunk", 200, b"abc"),
    bad("bare LF after a chunk size", CHUNKED + b"3\nabc\r\n0\r\n\r\n", "chunk", 200),
    good("16 KiB around the content, and 8 for each byte of it", around_thousand(24_384), b"a" * 1000),
    bad("a byte more around the content", around_thousand(24_385), "overhead", 200, b"a" * 1000),
    bad("chunk extension of 1 MiB", CHUNKED + b"3;" + b"a" * (1 << 20), "overhead", 200),
    bad("trailers of 1 MiB", CHUNKED + b"0\r\n" + b"a: b\r\n" * 170_000 + b"\r\n", "overhead", 200),
    bad("gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nabc", "transfer coding"),
    bad("gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "transfer coding"),
    bad("chunked in 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.0"),
]

ENDS = [
    Vector("until the end", OK + b"\r\nabc", 200, b"abc", complete=True, eof=True),
    Vector("until the end, which has not come", OK + b"\r\nabc", 200, b"abc"),
    Vector("nothing until the end", OK + b"\r\n", 200, complete=True, eof=True),
    Vector("end without a response", b"", failure="before the response", eof=True),
    Vector("end in a status line", b"HTTP/1.1 2", failure="in the middle", eof=True),
    Vector("end in a head", OK, failure="in the middle", eof=True),
    Vector("end after an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n", failure="in the middle", eof=True),
    Vector("end in a sized body", OK + b"Content-Length: 5\r\n\r\nabc", 200, b"abc", failure="in the middle", eof=True),
    Vector("end in chunks", CHUNKED + b"3\r\nabc\r\n0\r\n", 200, b"abc", failure="in the middle", eof=True),
    Vector("end after the response", ABC, 200, b"abc", complete=True, eof=True),
]

BODILESS = [
    good("HEAD", OK + b"Content-Length: 3\r\n\r\n", method=b"HEAD"),
    good("HEAD with chunks", CHUNKED, method=b"HEAD"),
    good("HEAD without a length", OK + b"\r\n", method=b"HEAD"),
    good("HEAD with a body", ABC, method=b"HEAD", keep_alive=False),
    good("204", b"HTTP/1.1 204 No Content\r\n\r\n", status=204),
    good("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", status=204),
    good("204 with a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", status=204, keep_alive=False),
    good("304", b"HTTP/1.1 304 Not Modified\r\n\r\n", status=304),
    good("304 with chunks", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", status=304),
    good("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", status=304),
    good("204 with chunks", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", status=204),
    good("CONNECT", OK + b"Content-Length: 3\r\n\r\n", method=b"CONNECT"),
    good("CONNECT refused", b"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nabc", b"abc", 407, method=b"CONNECT"),
]

INTERIM = [
    good("100", b"HTTP/1.1 100 Continue\r\n\r\n" + ABC, b"abc"),
    good("eight interim answers", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 8 + ABC, b"abc"),
    bad("nine interim answers", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 9 + ABC, "interim"),
    good("100 with a length", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + ABC, b"abc"),
    good("103 with chunks", b"HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + ABC, b"abc"),
    partial("nothing but 100", b"HTTP/1.1 100 Continue\r\n\r\n"),
    bad("101", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc", "switches"),
    bad("101 without Upgrade", b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + ABC, "switches"),
]

STAYING = [
    good("close", OK + b"Content-Length: 0\r\nConnection: close\r\n\r\n", keep_alive=False),
    good("close among others", OK + b"Content-Length: 0\r\nConnection: x, Close\r\n\r\n", keep_alive=False),
    good("close in a second line", OK + b"Connection: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", keep_alive=False),
    good("1.0 that stays", b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"),
    good("1.0 that says both", b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 0\r\n\r\n", keep_alive=False),
    good("Upgrade in a 200", OK + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    good("Upgrade in a 426", b"HTTP/1.1 426 No\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc", b"abc", 426),
]

LINES = [
    good("no reason", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    good("umlauts in the reason", b"HTTP/1.1 200 \xc3\xbc\r\nContent-Length: 0\r\n\r\n"),
    good("umlauts in a value", OK + b"X: \xff\r\nContent-Length: 0\r\n\r\n"),
    bad("NUL in the reason", b"HTTP/1.1 200 \0\r\nContent-Length: 0\r\n\r\n", "status line"),
    bad("1.2", b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", "status line"),
    bad("2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "status line"),
    bad("ICE", b"ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "status line"),
    bad("RTSP", b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "status line"),
    bad("status of two digits", b"HTTP/1.1 99 OK\r\n\r\n", "status line"),
    bad("status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", "status line"),
    bad("status 000", b"HTTP/1.1 000 OK\r\n\r\n", "status line"),
    bad("an empty line first", b"\r\n" + ABC, "status line"),
    bad("HTML", b"<html>\n", "status line"),
    bad("a request", b"GET / HTTP/1.1\r\n\r\n", "status line"),
    bad("bare LF after the status line", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "status line"),
    bad("bare LF after a header", OK + b"Content-Length: 0\n\n", "CR"),
    bad("bare CR in a value", OK + b"X: a\rb\r\n\r\n", "LF"),
    bad("folded value", OK + b"X: a\r\n b\r\n\r\n", "whitespace"),
    bad("space before a colon", OK + b"Content-Length : 3\r\n\r\nabc", "header"),
    bad("header without a colon", OK + b"foo\r\n\r\n", "header"),
    bad("status line of 1 MiB", b"HTTP/1.1 200 " + b"a" * (1 << 20), "head too large"),
    bad("header value of 1 MiB", OK + b"X: " + b"a" * (1 << 20), "head too large"),
    good("head of 64 KiB", head_of(65_536)),
    bad("head of a byte more", head_of(65_537), "head too large"),
    good("1 000 headers", OK + b"a: b\r\n" * 999 + b"Content-Length: 0\r\n\r\n"),
    bad("1 001 headers", OK + b"a: b\r\n" * 1000 + b"Content-Length: 0\r\n\r\n", "too many headers"),
    bad("10 000 headers", OK + b"a: b\r\n" * 10_000 + b"\r\n", "too many headers"),
]

VECTORS = [*LENGTH, *CODING, *ENDS, *BODILESS, *INTERIM, *STAYING, *LINES]
