"""A head that is the same as one before but for its length is known, and whatever else is different is read anew."""

from __future__ import annotations

from typing import Any

import pytest

from sluicegate.http1.client.response_parser import ResponseParser
from sluicegate.http1.head_cache import HeadCache
from sluicegate.http1.server.request_head import HeadLimits, RequestLine
from sluicegate.http1.server.request_parser import Refusal, RequestParser

REQUEST = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\nX-Last: 1\r\n\r\n%b"
RESPONSE = b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: %b\r\nX-Last: 1\r\n\r\n%b"
ONCE = (b"3", b"abc")

LENGTHS = [b"3", b"2", b"0", b"03", b"000000000000000003", b"0" * 18 + b"3"]
HOSTILE = [
    b"",
    b" ",
    b"+3",
    b"-3",
    b"0x3",
    b"3 ",
    b"3\t",
    b"3,3",
    b"3, 3",
    b"3\r\nContent-Length: 4",
    b"3\r\nTransfer-Encoding: chunked",
    b"3;3",
]
HOSTILE += [b"\xb2", b"3\0", b"3\n", b"3\r", b"3\r\n ", b"3\r\n\r\n", b"9" * 19, b"9" * 30, b"1e1", b"\xef\xbc\x93"]
OTHER_HEADS = [(b"POST", b"PUT"), (b"/mcp", b"/mcq"), (b"HTTP/1.1", b"HTTP/1.0"), (b"Host: a", b"Host: b"), (b"Host: a\r\n", b"")]
OTHER_HEADS += [(b"X-Last: 1", b"X-Last: 1\r\nExpect: 100-continue"), (b"X-Last: 1", b"Connection: close"), (b"X-Last: 1\r\n", b"")]
OTHER_HEADS += [(b"Content-Length", b"content-length"), (b"X-Last: 1", b"Host: b"), (b"X-Last: 1", b"Upgrade: h2c\r\nConnection: upgrade")]
OTHER_HEADS += [
    (b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    (b"X-Last: 1", b"Content-Length: 3"),
    (b"POST", b"\r\nPOST"),
    (b"POST", b"\rPOST"),
]


def heard(parser: RequestParser) -> list[Any]:
    """What the server would know of the last request, and of the rest."""
    last = [
        (r.line.method, r.line.target, r.line.version, r.headers, r.content_length, r.keep_alive, r.complete, b"".join(r.body))
        for r in parser.requests
    ]
    expects = [(request.expects_continue, request.weight, request.waiting) for request in parser.requests]
    return [last, expects, parser.failure, parser.is_idle, parser.failed_request is not None]


def answered(parser: ResponseParser) -> list[Any]:
    """What the client would know of the response."""
    return [parser.status, parser.headers, parser.body, parser.complete, parser.keep_alive, parser.failure]


def has_kept(parser: RequestParser | ResponseParser) -> int:
    """How many heads are known."""
    return len(parser.heads._kept)


def knows(parser: RequestParser | ResponseParser, data: bytes) -> bool:
    """Whether it has read such a head before."""
    found = parser.heads.find(data, 0)
    return found is not None and found[2] is not None


def second_request(data: bytes, limits: HeadLimits | None = None) -> tuple[list[Any], list[Any]]:
    """What is heard of a request that comes first, and of the same after another one."""
    first, second = (RequestParser(limits or HeadLimits()) for _ in range(2))
    for _ in range(3):
        second.feed(REQUEST % ONCE)
        second.requests.pop(0)
    assert knows(second, REQUEST % ONCE)
    for parser in (first, second):
        parser.feed(data)
    return heard(first), heard(second)


def second_response(data: bytes, method: bytes = b"POST") -> tuple[list[Any], list[Any]]:
    """The same for responses."""
    first, second = ResponseParser(), ResponseParser()
    for _ in range(3):
        second.expect(b"POST")
        second.feed(RESPONSE % ONCE)
    assert knows(second, RESPONSE % ONCE)
    for parser in (first, second):
        parser.expect(method)
        parser.feed(data)
    return answered(first), answered(second)


@pytest.mark.parametrize("digits", [*LENGTHS, *HOSTILE])
def test_a_length_means_the_same_the_second_time(digits: bytes) -> None:
    first, second = second_request(REQUEST % (digits, b"abc"))
    assert first == second
    first, second = second_response(RESPONSE % (digits, b"abc"))
    assert first == second


@pytest.mark.parametrize(("old", "new"), OTHER_HEADS)
def test_another_head_means_the_same_the_second_time(old: bytes, new: bytes) -> None:
    first, second = second_request((REQUEST % ONCE).replace(old, new, 1))
    assert first == second


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"200", b"404"),
        (b"200", b"204"),
        (b"200", b"100"),
        (b"1.1", b"1.0"),
        (b"A: 1\r\n", b""),
        (b"OK", b"\x7f"),
        (b"X-Last", b"Connection"),
    ],
)
def test_another_response_means_the_same_the_second_time(old: bytes, new: bytes) -> None:
    first, second = second_response((RESPONSE % ONCE).replace(old, new, 1))
    assert first == second


@pytest.mark.parametrize("method", [b"HEAD", b"CONNECT", b"GET"])
def test_the_method_decides_where_a_known_response_ends(method: bytes) -> None:
    first, second = second_response(RESPONSE % ONCE, method)
    assert first == second


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_a_known_head_may_come_in_pieces(size: int) -> None:
    data = REQUEST % ONCE * 3 + b"GET / HTTP/1.1\r\nHost: b\r\n\r\n" + REQUEST % (b"2", b"ab") * 2
    whole, pieces = RequestParser(), RequestParser()
    whole.feed(data)
    for at in range(0, len(data), size):
        pieces.feed(data[at : at + size])
    assert heard(whole) == heard(pieces)
    assert [b"".join(request.body) for request in whole.requests] == [b"abc", b"abc", b"abc", b"", b"ab", b"ab"]


def test_a_known_head_has_the_same_limits() -> None:
    parser = RequestParser(HeadLimits(body=3))
    parser.feed(REQUEST % ONCE * 4)
    assert knows(parser, REQUEST % ONCE)
    assert heard(parser)[2] is None
    parser.feed(REQUEST % (b"4", b"abcd"))
    assert heard(parser)[2] == Refusal(413, "body too large")


def test_what_follows_a_known_message_is_read_by_the_parser() -> None:
    """It did not see the messages in between."""
    parser = RequestParser()
    parser.feed(REQUEST % ONCE * 3)
    parser.feed(b"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + REQUEST % ONCE)
    assert [request.complete for request in parser.requests] == [True] * 5
    assert parser.requests[3].line.target == b"/"


def test_connections_share_what_is_known_and_nothing_else() -> None:
    heads: HeadCache[RequestLine] = HeadCache()
    one, other = RequestParser(heads=heads), RequestParser(heads=heads)
    one.feed(REQUEST % ONCE * 2)
    one.requests[-1].headers.clear()
    other.feed(REQUEST % (b"2", b"ab"))
    other.requests[-1].headers.append((b"x", b"y"))
    one.feed(REQUEST % (b"1", b"z"))
    assert knows(one, REQUEST % ONCE)
    assert knows(other, REQUEST % ONCE)
    assert one.requests[-1].headers == [(b"host", b"a"), (b"content-length", b"1"), (b"x-last", b"1")]
    assert (list(one.requests[-1].body), list(other.requests[-1].body)) == ([b"z"], [b"ab"])


def test_what_comes_once_or_is_long_is_not_kept() -> None:
    parser = RequestParser()
    for number in range(1000):
        parser.feed(REQUEST.replace(b"X-Last: 1", b"X-Last: %d" % number) % ONCE)
        parser.requests.clear()
    parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX: %b\r\n\r\nabc" % (b"x" * 2048) * 3)
    assert [request.complete for request in parser.requests] == [True] * 3
    assert not has_kept(parser)


def test_what_is_kept_has_a_bound() -> None:
    parser = RequestParser()
    for number in range(522):
        parser.feed(REQUEST.replace(b"X-Last: 1", b"X-Last: %d" % number) % ONCE * 2)
        parser.requests.clear()
    assert has_kept(parser) == 10, "after 512 all are forgotten"


@pytest.mark.parametrize("more", [b"Connection: close", b"Expect: 100-continue", b"Content-Length: 3"])
def test_what_is_unusual_is_not_kept(more: bytes) -> None:
    heads: HeadCache[RequestLine] = HeadCache()
    for _ in range(3):
        parser = RequestParser(heads=heads)
        parser.feed(REQUEST.replace(b"X-Last: 1", more) % ONCE)
    assert not has_kept(parser)


@pytest.mark.parametrize("digits", [b"0", b"3"])
def test_who_waits_for_a_100_is_seen_each_time(digits: bytes) -> None:
    """Without a body there is nothing to wait for, but the same head may come with one."""
    head = REQUEST.replace(b"X-Last: 1", b"Expect: 100-continue")
    parser = RequestParser()
    for _ in range(3):
        parser.feed(head % (digits, b"abc"[: int(digits)]))
    parser.feed(head % ONCE)
    assert parser.requests[-1].expects_continue


@pytest.mark.parametrize(("digits", "known"), [(18, True), (19, False)])
def test_a_length_of_so_many_digits_may_be_known(digits: int, known: bool) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n\r\n" % (b"0" * digits)
    assert (HeadCache[Any]().find(head, 0) is not None) is known


@pytest.mark.parametrize(("size", "known"), [(2048, True), (2049, False)])
@pytest.mark.parametrize("start", [0, 7])
def test_a_head_of_two_kibibytes_may_be_known(size: int, known: bool, start: int) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX: "
    head += b"x" * (size - len(head) - 4) + b"\r\n\r\n"
    assert (HeadCache[Any]().find(b"x" * start + head + b"abc", start) is not None) is known


@pytest.mark.parametrize(("between", "known"), [(4095, True), (4096, False)])
def test_of_so_many_heads_it_is_known_that_they_came_once(between: int, known: bool) -> None:
    heads: HeadCache[str] = HeadCache()
    headers = [(b"content-length", b"3")]
    heads.keep(b"the first", b"3", "it", headers)
    for number in range(between):
        heads.keep(b"%d" % number, b"3", "another", headers)
    heads.keep(b"the first", b"3", "it", headers)
    assert bool(heads._kept) is known


@pytest.mark.parametrize(("lengths", "known"), [([b"3"], True), ([b"4"], False), ([b"3", b"3"], False), ([], False)])
def test_only_a_head_whose_length_is_the_one_that_was_found_is_kept(lengths: list[bytes], known: bool) -> None:
    heads: HeadCache[str] = HeadCache()
    for _ in range(3):
        heads.keep(b"head", b"3", "it", [(b"content-length", length) for length in lengths])
    assert bool(heads._kept) is known
