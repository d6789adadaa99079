"""What a client learns of a response, and when."""

from __future__ import annotations

import pytest

from sluicegate.http1.client.response_parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"


def expecting(method: bytes = b"POST") -> ResponseParser:
    parser = ResponseParser()
    parser.expect(method)
    return parser


def test_responses_come_one_after_another() -> None:
    parser = ResponseParser()
    for method in (b"POST", b"HEAD", b"GET", b"HEAD", b"HEAD", b"POST"):
        parser.expect(method)
        assert (parser.status, parser.headers, parser.body, parser.complete) == (0, [], [], False)
        parser.feed(OK if method != b"HEAD" else OK[:-3])
        assert (parser.status, parser.headers, parser.complete, parser.keep_alive) == (200, [(b"content-length", b"3")], True, True)
        assert ([] if method == b"HEAD" else [b"abc"]) == parser.body


def test_headers_are_there_when_all_have_come() -> None:
    parser = expecting()
    parser.feed(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nCONTENT-Type:  text/plain \t\r\n")
    assert (parser.status, parser.headers) == (0, [])
    parser.feed(b"Content-Length: 0\r\n\r\n")
    assert (parser.status, parser.headers) == (200, [(b"content-type", b"text/plain"), (b"content-length", b"0")])


def test_a_stream_is_told_as_it_comes() -> None:
    parser = expecting()
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (parser.status, parser.body, parser.complete) == (200, [], False)
    event = b"data: 1\r\n\r\n"
    for _ in range(3):
        parser.feed(b"%x\r\n%b\r\n" % (len(event), event))
        assert [event] == parser.body
        parser.body.clear()
    parser.feed(b"0\r\n\r\n")
    assert (parser.body, parser.complete, parser.keep_alive) == ([], True, True)


def test_trailers_are_no_headers() -> None:
    parser = expecting()
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nMcp-Session-Id: x\r\n\r\n")
    assert (parser.headers, parser.complete) == ([(b"transfer-encoding", b"chunked")], True)


def test_a_body_in_single_bytes_takes_few_pieces() -> None:
    parser = expecting()
    parser.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(10_000):
        parser.feed(b"x")
    assert b"".join(parser.body) == b"x" * 10_000
    assert len(parser.body) <= 10


def test_bytes_between_two_exchanges_end_the_connection() -> None:
    parser = expecting()
    parser.feed(OK)
    parser.feed(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert (parser.complete, parser.keep_alive, parser.failure) == (True, False, "")
    parser.expect(b"POST")
    parser.feed(OK)
    assert (parser.status, parser.complete, parser.keep_alive) == (0, False, False)
    assert parser.failure


def test_bytes_before_the_first_request_end_the_connection() -> None:
    parser = ResponseParser()
    parser.feed(OK)
    assert (parser.status, parser.keep_alive) == (0, False)


def test_the_end_of_an_idle_connection_is_no_failure() -> None:
    parser = expecting()
    parser.feed(OK)
    parser.eof()
    assert (parser.complete, parser.keep_alive, parser.failure) == (True, False, "")


def test_a_request_before_the_last_response_ended_fails() -> None:
    parser = expecting()
    parser.feed(OK[:-1])
    parser.expect(b"POST")
    parser.feed(OK)
    assert (parser.status, parser.complete, parser.keep_alive) == (0, False, False)
    assert parser.failure


def test_the_first_reason_of_a_failure_stays() -> None:
    parser = expecting()
    parser.feed(b"nonsense\n")
    parser.feed(OK)
    parser.eof()
    parser.expect(b"GET")
    parser.feed(OK)
    assert (parser.failure, parser.complete) == ("malformed status line", False)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_may_come_in_any_kind(kind: type[bytes | bytearray | memoryview]) -> None:
    parser = expecting()
    for at in range(0, len(OK), 5):
        parser.feed(kind(OK[at : at + 5]))
    assert parser.complete


def test_the_head_and_the_interim_answers_can_be_limited() -> None:
    parser = ResponseParser(max_head=40, most_interim=0)
    parser.expect(b"GET")
    parser.feed(b"HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaa")
    assert parser.failure == "head too large"
    parser = ResponseParser(max_head=40, most_interim=0)
    parser.expect(b"GET")
    parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert parser.failure == "too many interim answers"


@pytest.mark.parametrize(("length", "failure"), [(64, ""), (65, "head too large")])
def test_each_first_line_has_the_limit_for_itself(length: int, failure: str) -> None:
    """However many interim responses came before it in the same piece."""
    parser = ResponseParser(max_head=64)
    parser.expect(b"POST")
    line = b"HTTP/1.1 200 " + b"x" * (length - 15) + b"\r\n"
    parser.feed(b"HTTP/1.1 103 Early Hints\r\nLink: 0123456789\r\n\r\n" * 3 + line)
    assert parser.failure == failure


@pytest.mark.parametrize(("status", "has_body"), [(200, False), (299, False), (300, True), (407, True)])
def test_only_a_tunnel_that_is_opened_has_no_body(status: int, has_body: bool) -> None:
    """What answers CONNECT with another status than 2xx says why (RFC 9110 section 9.3.6)."""
    parser = ResponseParser()
    parser.expect(b"CONNECT")
    parser.feed(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n" % status)
    assert parser.complete is not has_body
    parser.feed(b"no")
    assert (parser.complete, parser.keep_alive, b"".join(parser.body)) == (True, has_body, b"no" * has_body)
