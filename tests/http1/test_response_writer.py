"""The bytes of one response: in one piece or in two, and out of turn."""

from __future__ import annotations

import pytest

from sluicegate.http1.server.request_head import RequestLine, ServerRequest
from sluicegate.http1.server.response_writer import BadHead, DateLine, ResponseWriter

DATE = b"date: today\r\n"


def writer(method: str = "GET", version: str = "1.1") -> ResponseWriter:
    return ResponseWriter(ServerRequest(RequestLine(method, b"/", version, None, "/", b"/", b""), [], None), lambda: DATE)


@pytest.mark.parametrize(("size", "apart"), [(0, False), (5, False), (65_536, False), (65_537, True)])
def test_a_large_body_leaves_apart_from_its_head(size: int, apart: bool) -> None:
    response, body = writer(), b"x" * size
    response.start(200, [])
    first, second = response.write(body, more=False, may_stay=True)
    assert bytes(first) + bytes(second) == b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (size, DATE, body)
    assert second == (body if apart else b"")


def test_a_large_piece_behind_the_head_leaves_alone() -> None:
    response, body = writer(), b"x" * 65_537
    response.start(200, [(b"content-length", b"%d" % (len(body) + 1))])
    response.write(b"y", more=True, may_stay=True)
    assert response.write(body, more=False, may_stay=True) == (body, b"")


def test_what_comes_out_of_turn_is_refused() -> None:
    response = writer()
    with pytest.raises(RuntimeError, match="between its start and its end"):
        response.write(b"x", more=False, may_stay=True)
    response.start(200, [])
    with pytest.raises(RuntimeError, match="one start"):
        response.start(200, [])
    response.write(b"x", more=False, may_stay=True)
    with pytest.raises(RuntimeError, match="between its start and its end"):
        response.write(b"x", more=False, may_stay=True)


HELLO = b"HTTP/1.1 200 OK\r\n"
FRAMINGS: dict[str, tuple[str, str, int, list[tuple[bytes, bytes]], list[bytes], bytes, bool]] = {
    # method, version, status, the application's headers, its pieces, what leaves, whether the connection stays
    "one piece": ("GET", "1.1", 200, [], [b"ab"], HELLO + b"content-length: 2\r\n" + DATE + b"\r\nab", True),
    "nothing": ("GET", "1.1", 200, [], [b""], HELLO + b"content-length: 0\r\n" + DATE + b"\r\n", True),
    "pieces": (
        *("GET", "1.1", 200, [], [b"ab", b"", b"c" * 17, b""]),
        HELLO + b"transfer-encoding: chunked\r\n" + DATE + b"\r\n2\r\nab\r\n11\r\n" + b"c" * 17 + b"\r\n0\r\n\r\n",
        True,
    ),
    "a last piece": (
        *("GET", "1.1", 200, [], [b"ab", b"c"]),
        HELLO + b"transfer-encoding: chunked\r\n" + DATE + b"\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        True,
    ),
    "pieces to an old client": (
        *("GET", "1.0", 200, [], [b"ab", b"c"]),
        HELLO + DATE + b"connection: close\r\n\r\nabc",
        False,
    ),
    "one piece to an old client": (
        *("GET", "1.0", 200, [], [b"ab"]),
        HELLO + b"content-length: 2\r\n" + DATE + b"connection: keep-alive\r\n\r\nab",
        True,
    ),
    "as long as it says": (
        *("GET", "1.1", 200, [(b"Content-Length", b"3")], [b"ab", b"c"]),
        HELLO + b"content-length: 3\r\n" + DATE + b"\r\nabc",
        True,
    ),
    "HEAD": ("HEAD", "1.1", 200, [], [b"ab"], HELLO + DATE + b"\r\n", True),
    "HEAD with a length": ("HEAD", "1.1", 200, [(b"content-length", b"7")], [b""], HELLO + b"content-length: 7\r\n" + DATE + b"\r\n", True),
    "HEAD in pieces": ("HEAD", "1.1", 200, [], [b"ab", b"c"], HELLO + DATE + b"\r\n", True),
    "204": ("GET", "1.1", 204, [(b"content-length", b"0")], [b""], b"HTTP/1.1 204 No Content\r\n" + DATE + b"\r\n", True),
    "304": (
        *("GET", "1.1", 304, [(b"content-length", b"9")], [b""]),
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n" + DATE + b"\r\n",
        True,
    ),
    "204 in spite of a body": ("GET", "1.1", 204, [], [b"ab", b"c"], b"HTTP/1.1 204 No Content\r\n" + DATE + b"\r\n", True),
    "304 in spite of a body": ("GET", "1.1", 304, [], [b"ab", b"c"], b"HTTP/1.1 304 Not Modified\r\n" + DATE + b"\r\n", True),
    "its own date": ("GET", "1.1", 200, [(b"Date", b"then")], [b""], HELLO + b"date: then\r\ncontent-length: 0\r\n\r\n", True),
    "it closes": (
        *("GET", "1.1", 200, [(b"Connection", b"Close")], [b""]),
        HELLO + b"content-length: 0\r\n" + DATE + b"connection: close\r\n\r\n",
        False,
    ),
    "it wants to stay": ("GET", "1.1", 200, [(b"connection", b"x")], [b""], HELLO + b"content-length: 0\r\n" + DATE + b"\r\n", True),
    "a status without a name": ("GET", "1.1", 999, [], [b""], b"HTTP/1.1 999 \r\ncontent-length: 0\r\n" + DATE + b"\r\n", True),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_response_is_framed_so_that_its_client_sees_its_end(name: str) -> None:
    method, version, status, headers, pieces, sent, stays = FRAMINGS[name]
    response = writer(method, version)
    response.start(status, headers)
    left = [response.write(piece, more=number < len(pieces), may_stay=True) for number, piece in enumerate(pieces, 1)]
    assert b"".join(bytes(part) for parts in left for part in parts) == sent
    assert (response.keep_alive, response.until_close, response.finished) == (stays, name == "pieces to an old client", True)


@pytest.mark.parametrize(("may_stay", "wants_to"), [(False, True), (True, False)])
def test_a_connection_stays_only_where_both_sides_want_it(may_stay: bool, wants_to: bool) -> None:
    response = writer()
    response.request.keep_alive = wants_to
    response.start(200, [])
    first, _ = response.write(b"", more=False, may_stay=may_stay)
    assert (b"connection: close\r\n" in bytes(first), response.keep_alive) == (True, False)


@pytest.mark.parametrize("pieces", [[b"abcd"], [b"ab", b"cd"], [b"ab"], [b"a", b"b"], [b""]])
def test_a_body_that_is_not_as_long_as_it_says_is_a_bug(pieces: list[bytes]) -> None:
    response = writer()
    response.start(200, [(b"content-length", b"3")])
    *before, last = pieces
    for piece in before:
        response.write(piece, more=True, may_stay=True)
    with pytest.raises(RuntimeError, match="not as long"):
        response.write(last, more=False, may_stay=True)


@pytest.mark.parametrize("status", [0, 100, 199, 1000])
def test_what_is_no_status_of_a_final_response_is_a_bug(status: int) -> None:
    with pytest.raises(BadHead, match="final response"):
        writer().start(status, [])


@pytest.mark.parametrize("lengths", [[b"x"], [b"-1"], [b""], [b"1", b"1"]])
def test_what_is_no_length_is_a_bug(lengths: list[bytes]) -> None:
    response = writer()
    response.start(200, [(b"content-length", length) for length in lengths])
    with pytest.raises(BadHead, match="content-length"):
        response.write(b"x", more=False, may_stay=True)


def test_the_date_is_that_of_this_second() -> None:
    now = [0.0]
    made = DateLine(lambda: now[0])
    lines = []
    for now[0] in (0.0, 0.9, 1.0, 61.5, -1.0, 1e15):
        lines.append(made())
    first = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    assert lines == [first, first, first.replace(b"00 GMT", b"01 GMT"), first.replace(b"00:00 GMT", b"01:01 GMT"), lines[4], b""]
    assert lines[4] == b"date: Wed, 31 Dec 1969 23:59:59 GMT\r\n"
