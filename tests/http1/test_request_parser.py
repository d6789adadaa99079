"""What a server learns of a request, and when."""

from __future__ import annotations

import pytest
from tests.kit.front import GET

from sluicegate.http1.framing import RefusedMessage, declared_length
from sluicegate.http1.server.request_parser import HeadLimits, Refusal, RequestParser, ServerRequest

POST = b"POST /mcp HTTP/1.1\r\nHost: a\r\n"


def read(data: bytes, limits: HeadLimits | None = None) -> RequestParser:
    parser = RequestParser(limits or HeadLimits())
    parser.feed(data)
    return parser


def request_of(data: bytes) -> ServerRequest:
    parser = read(data)
    assert parser.failure is None
    return parser.requests.pop(0)


def test_a_request_is_told_as_asgi_wants_it() -> None:
    request = request_of(b"PUT /caf%C3%A9/%2F?a=%20b?c HTTP/1.1\r\nHOST: a:80\r\nX-Two: \t1, 2 \t\r\nx-two:\r\n\r\n")
    line = request.line
    assert (line.method, line.version) == ("PUT", "1.1")
    assert (line.path, line.raw_path, line.query) == ("/café//", b"/caf%C3%A9/%2F", b"a=%20b?c")
    assert line.target == b"/caf%C3%A9/%2F?a=%20b?c"
    assert request.headers == [(b"host", b"a:80"), (b"x-two", b"1, 2"), (b"x-two", b"")]


def test_an_absolute_target_is_told_by_its_path() -> None:
    request = request_of(b"GET http://a?q HTTP/1.1\r\nHost: A\r\n\r\n")
    assert (request.line.path, request.line.raw_path, request.line.query) == ("/", b"/", b"q")


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        ("1.1", b"", True),
        ("1.1", b"Connection: close\r\n", False),
        ("1.1", b"Connection: keep-alive, CLOSE\r\n", False),
        ("1.1", b"Connection: closed\r\n", True),
        ("1.0", b"", False),
        ("1.0", b"Connection: Keep-Alive\r\n", True),
        ("1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_a_request_says_whether_its_connection_stays(version: str, connection: bytes, *, keeps: bool) -> None:
    assert keeps is request_of(b"GET / HTTP/%b\r\nHost: a\r\n%b\r\n" % (version.encode(), connection)).keep_alive


def test_a_head_is_there_before_its_body() -> None:
    parser = read(POST + b"Content-Length: 6\r\n\r\nabc")
    request = parser.requests[0]
    assert (request.content_length, list(request.body), request.waiting, request.complete) == (6, [b"abc"], 3, False)
    parser.feed(b"def")
    assert (b"".join(request.body), request.waiting, request.complete) == (b"abcdef", 6, True)


def test_a_chunked_body_has_no_length() -> None:
    request = request_of(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert (request.content_length, b"".join(request.body), request.complete) == (None, b"abc", True)


def test_a_request_without_a_body_is_complete_with_its_head() -> None:
    request = request_of(POST + b"\r\n")
    assert (request.content_length, request.waiting, request.complete) == (None, 0, True)


@pytest.mark.parametrize(
    ("rest", "expects"),
    [
        (b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", True),
        (b"Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", False),
        (b"Expect: 100-continue\r\n\r\n", False),
        (b"Content-Length: 3\r\n\r\n", False),
    ],
)
def test_only_who_has_a_body_waits_for_a_100(rest: bytes, *, expects: bool) -> None:
    assert expects is request_of(POST + rest).expects_continue


def test_nobody_waits_for_a_100_in_1_0() -> None:
    assert request_of(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").expects_continue is False


def test_trailers_are_dropped() -> None:
    request = request_of(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    assert request.headers == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]


def test_an_offer_that_is_declined_stays_among_the_headers() -> None:
    request = request_of(POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc")
    assert [name for name, _ in request.headers] == [b"host", b"connection", b"upgrade", b"content-length"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_may_come_in_any_kind(kind: type[bytes | bytearray | memoryview]) -> None:
    parser = RequestParser()
    for at in range(0, len(GET), 5):
        parser.feed(kind(GET[at : at + 5]))
    assert parser.requests[0].complete


def test_a_parser_is_idle_between_two_requests() -> None:
    parser = RequestParser()
    told = []
    for piece in (b"", b"\r\n", b"GET", b" / HTTP/1.1\r\n", b"Host: a\r\nContent-Length: 1\r\n\r\n", b"x", b"\r\n", b"G"):
        parser.feed(piece)
        told.append(parser.is_idle)
    assert told == [True, True, False, False, False, True, True, False]


def test_a_body_in_single_bytes_takes_few_pieces() -> None:
    """A piece of one byte weighs fifty."""
    parser = read(POST + b"Content-Length: 10000\r\n\r\n")
    for _ in range(10_000):
        parser.feed(b"x")
    request = parser.requests[0]
    assert (b"".join(request.body), request.waiting) == (b"x" * 10_000, 10_000)
    assert len(request.body) <= 10


@pytest.mark.parametrize(("head", "most"), [(b"X: " + b"a" * 60_000, 2), (b"\r\n".join([b"ab:cd"] * 99), 5), (b"X: " + b"a" * 6000, 11)])
def test_fewer_requests_are_parsed_ahead_where_their_heads_take_much_memory(head: bytes, most: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n"
    parser = read(request * 16)
    assert (len(parser.requests), parser.is_full, parser.failure) == (most, True, None)
    taken = 0
    while parser.requests:
        parser.requests.pop(0)
        parser.feed(b"")
        taken += 1
    assert taken == 16


def test_no_more_than_sixteen_requests_are_parsed_ahead() -> None:
    parser = read(GET * 40)
    assert (len(parser.requests), parser.is_full, parser.is_idle) == (16, True, False)
    for _ in range(10):
        parser.requests.pop(0)
    parser.feed(b"")
    assert (len(parser.requests), parser.is_full) == (16, True)
    parser.requests.clear()
    parser.feed(GET[:10])
    assert (len(parser.requests), parser.is_full, parser.is_idle) == (14, False, False)
    parser.feed(GET[10:])
    assert (len(parser.requests), parser.is_idle) == (15, True)


def test_the_body_of_the_last_request_ahead_is_still_read() -> None:
    parser = read(GET * 15 + POST + b"Content-Length: 3\r\n\r\nabc" + GET)
    assert (len(parser.requests), parser.requests[-1].complete) == (16, True)


def test_what_broke_off_is_told_apart_from_what_is_complete() -> None:
    parser = read(GET + POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n")
    complete, broken = parser.requests
    assert (complete.complete, broken.complete) == (True, False)
    assert parser.failed_request is broken
    assert parser.failure is not None
    assert parser.failure.status == 400


def test_a_broken_head_is_no_request() -> None:
    parser = read(GET + b"GET / HTTP/1.1\r\n\r\n")
    assert (len(parser.requests), parser.failed_request) == (1, None)
    assert Refusal(400, "not exactly one Host") == parser.failure


def test_nothing_is_read_after_a_failure() -> None:
    parser = read(b"nonsense\r\n\r\n")
    failure = parser.failure
    parser.feed(GET)
    assert (0, failure, False) == (len(parser.requests), parser.failure, parser.is_idle)


def test_nothing_is_read_after_a_request_that_closes() -> None:
    parser = read(POST + b"Connection: close\r\nContent-Length: 1\r\n\r\nx" + GET)
    parser.feed(GET)
    assert (len(parser.requests), parser.failure) == (1, None)


def test_a_body_that_says_it_is_too_large_is_refused_with_its_head() -> None:
    parser = read(POST + b"Content-Length: 11\r\n\r\n", HeadLimits(body=10))
    assert (0, Refusal(413, "body too large")) == (len(parser.requests), parser.failure)


def test_a_body_that_becomes_too_large_is_refused_then() -> None:
    parser = read(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\naaaaa\r\n5\r\nbbbbb\r\n", HeadLimits(body=10))
    assert (b"".join(parser.requests[0].body), parser.failure) == (b"aaaaabbbbb", None)
    parser.feed(b"1\r\nc\r\n")
    assert (parser.requests[0], Refusal(413, "body too large")) == (parser.failed_request, parser.failure)
    assert b"".join(parser.requests[0].body) == b"aaaaabbbbb"


def test_a_head_that_never_ends_takes_no_more_than_its_limit() -> None:
    parser = RequestParser()
    fed = 0
    for piece in (GET[:-2] + b"X: ", *[b"a" * 1000] * 200):
        parser.feed(piece)
        fed += len(piece)
        if parser.failure:
            break
    assert parser.failure == Refusal(431, "head too large")
    assert fed <= 65_536 + 1000


def test_a_request_line_that_never_ends_takes_no_more_than_its_limit() -> None:
    parser = RequestParser()
    for _ in range(9):
        parser.feed(b"G" * 1000)
    assert parser.failure == Refusal(414, "target too long")


def test_two_ways_to_end_are_refused_even_if_llhttp_let_them_pass() -> None:
    with pytest.raises(RefusedMessage, match="both"):
        declared_length([b"3"], [b"chunked"], "1.1")


def test_a_bug_is_no_fault_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in a callback must not look like a bad request."""

    def broken(*args: object) -> None:
        raise LookupError(args)

    monkeypatch.setattr("sluicegate.http1.server.request_parser.read_head", broken)
    with pytest.raises(LookupError):
        read(GET)


def heavy(size: int) -> bytes:
    """A request whose head has so many bytes, and two headers."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    return head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"


@pytest.mark.parametrize(("size", "full"), [(64_935, False), (64_936, True)])
def test_heads_that_nobody_took_may_take_64_kibibytes(size: int, full: bool) -> None:
    """With 150 for each header, of which there are four."""
    parser = read(heavy(size - 100) + heavy(100))
    assert (len(parser.requests), parser.is_full) == (2, full)


def test_one_request_is_not_too_many_whatever_its_head_takes() -> None:
    parser = read(heavy(65_536))
    assert (len(parser.requests), parser.is_full) == (1, False)
    parser.feed(GET * 2)
    assert (len(parser.requests), parser.is_full) == (2, True)


@pytest.mark.parametrize(("first", "begins"), [(b"@", False), (b"A", True), (b"ZZ", True), (b"[", False), (b"g", False)])
def test_a_first_byte_that_is_no_capital_letter_begins_no_request(first: bytes, *, begins: bool) -> None:
    """It is refused before the rest of the line is there: a client that speaks TLS, say, would wait."""
    assert (read(first).failure is None) is begins


@pytest.mark.parametrize(("size", "status"), [(42, 0), (43, 414)])
def test_a_line_without_an_end_may_be_as_long_as_a_target_and_a_little_longer(size: int, status: int) -> None:
    parser = read(b"G" * size, HeadLimits(target=10))
    assert (parser.failure.status if parser.failure else 0) == status


@pytest.mark.parametrize(("waiting", "enough"), [(99, False), (100, False), (101, True)])
def test_bodies_that_nobody_took_may_wait_up_to_a_bound(waiting: int, enough: bool) -> None:
    """Those of the request that is being answered, and of those after it, together."""
    parser = read(POST + b"Content-Length: 200\r\n\r\n" + b"x" * waiting)
    assert parser.has_enough(None, 100) is enough
    current = parser.requests.pop(0)
    assert parser.has_enough(current, 100) is enough
    current.complete = True
    assert not parser.has_enough(current, 100), "what is complete keeps nobody"


@pytest.mark.parametrize(("first", "pieces"), [(1023, 1), (1024, 2)])
def test_a_piece_of_a_kibibyte_grows_no_more(first: int, pieces: int) -> None:
    parser = read(POST + b"Content-Length: 9999\r\n\r\n" + b"x" * first)
    parser.feed(b"y")
    assert len(parser.requests[0].body) == pieces


def test_what_was_taken_waits_no_more() -> None:
    parser = read(POST + b"Content-Length: 3000\r\n\r\n" + b"x" * 1024)
    parser.feed(b"y" * 1024)
    request = parser.requests[0]
    assert (request.take(), request.waiting, len(request.body)) == (b"x" * 1024 + b"y" * 1024, 0, 0)
    parser.feed(b"z")
    assert (request.waiting, request.take(), request.waiting, len(request.body)) == (1, b"z", 0, 0)
    assert request.take() == b""
