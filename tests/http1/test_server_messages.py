"""What the server makes of requests, and what of the answers of applications. In memory, on the mock clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.front import GET, Answer, open_front

from sluicegate.http1.asgi import ASGIApp, Message, Receive, Scope, Send
from sluicegate.http1.server.server import HangUp

DATE = "Thu, 01 Jan 1970 00:00:00 GMT"
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def only_http(handler: Handler) -> ASGIApp:
    """An application that knows no lifespan, as the protocol allows."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await handler(scope, receive, send)

    return app


def saying(*messages: Message) -> ASGIApp:
    """An application that says the same to everyone."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return only_http(app)


@only_http
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with method, path and the whole body, in one piece."""
    data, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        data, more = data + message["body"], message["more_body"]
    await send(start())
    await send(body(f"{scope['method']} {scope['path']} ".encode() + data))


async def test_requests_on_one_connection_are_answered_one_after_the_other(autojump_clock: object) -> None:
    async with open_front(echo) as front:
        client = await front.dial()
        for number in range(3):
            await client.say(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" % number)
            assert Answer(200, {"content-length": "10", "date": DATE}, b"POST /%d hi" % number) == await client.answer()


async def test_requests_that_came_together_are_answered_in_their_order(autojump_clock: object) -> None:
    async def slow_first(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/0":
            await trio.sleep(5)
        await echo(scope, receive, send)

    async with open_front(only_http(slow_first)) as front:
        client = await front.dial()
        await client.say(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(40)))
        assert [b"GET /%d " % number for number in range(40)] == [(await client.answer()).body for _ in range(40)]
    assert trio.current_time() == 5


async def test_a_body_in_chunks_arrives_as_it_comes(autojump_clock: object) -> None:
    pieces: list[tuple[bytes, bool]] = []

    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not pieces or pieces[-1][1]:
            message = await receive()
            pieces.append((message["body"], message["more_body"]))
        await send(start(202))
        await send(body())

    async with open_front(app) as front:
        client = await front.dial()
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.say(head, b"2\r\nab\r\n3\r\ncd", b"e\r\n", b"0\r\n\r\n")
        assert (await client.answer()).status == 202
    assert pieces == [(b"abcd", True), (b"e", True), (b"", False)]


async def test_a_small_answer_leaves_in_one_piece(autojump_clock: object) -> None:
    async with open_front(saying(start(200, (b"content-type", b"text/plain")), body(b"hello"))) as front:
        client = await front.dial()
        await client.say(GET)
        expected = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\ndate: {DATE}\r\n\r\nhello"
        assert expected.encode() == await client.stream.receive_some()


async def test_an_answer_of_unknown_length_goes_in_chunks(autojump_clock: object) -> None:
    app = saying(start(), body(b"", more=True), body(b"ab", more=True), body(b"", more=True), body(b"cde", more=True), body(b"f"))
    async with open_front(app) as front:
        client = await front.dial()
        for _ in range(2):
            await client.say(GET)
            assert Answer(200, {"transfer-encoding": "chunked", "date": DATE}, b"abcdef") == await client.answer()


async def test_a_large_answer_arrives_whole(autojump_clock: object) -> None:
    data = bytes(range(256)) * 8192
    async with open_front(saying(start(), body(data))) as front:
        client = await front.dial()
        for _ in range(2):
            await client.say(GET)
            assert data == (await client.answer()).body


@pytest.mark.parametrize(
    ("method", "status", "messages", "headers"),
    [
        ("HEAD", 200, [start(200, (b"content-length", b"5")), body(b"hello")], {"content-length": "5"}),
        ("HEAD", 200, [start(), body(b"he", more=True), body(b"llo")], {}),
        ("GET", 204, [start(204, (b"content-length", b"0")), body()], {}),
        ("GET", 304, [start(304, (b"etag", b'"1"'), (b"content-length", b"5")), body()], {"etag": '"1"', "content-length": "5"}),
    ],
)
async def test_answers_without_a_body_keep_the_connection(
    autojump_clock: object, method: str, status: int, messages: list[Message], headers: dict[str, str]
) -> None:
    async with open_front(saying(*messages)) as front:
        client = await front.dial()
        for _ in range(2):
            await client.say(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert Answer(status, headers | {"date": DATE}, b"") == await client.answer(method)


async def test_an_old_client_is_told_whether_the_connection_stays(autojump_clock: object) -> None:
    async with open_front(echo) as front:
        client = await front.dial()
        await client.say(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await client.answer()).headers["connection"] == "keep-alive"
        await client.say(b"GET /b HTTP/1.0\r\n\r\n")
        answer = await client.answer()
        assert (answer.headers["connection"], answer.body) == ("close", b"GET /b ")
        assert await client.rest() == b""


async def test_an_old_client_gets_what_has_no_known_length_up_to_the_end_of_the_connection(autojump_clock: object) -> None:
    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"ab", more=True))
        await send(body(b"c"))
        await trio.sleep(100)

    async with open_front(app) as front:
        client = await front.dial()
        await client.say(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert Answer(200, {"date": DATE, "connection": "close"}, b"abc") == await client.answer()
        assert trio.current_time() == 0


@pytest.mark.parametrize("asked_by", ["client", "application"])
async def test_either_side_may_ask_for_the_end_of_the_connection(autojump_clock: object, asked_by: str) -> None:
    headers = [(b"connection", b"close")] if asked_by == "application" else []
    async with open_front(saying(start(200, *headers), body(b"bye"))) as front:
        client = await front.dial()
        await client.say(b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"Connection: close\r\n\r\n" if asked_by == "client" else b"\r\n"))
        answer = await client.answer()
        assert (answer.headers["connection"], answer.body) == ("close", b"bye")
        assert await client.rest() == b""
    assert trio.current_time() == 0


async def test_the_application_knows_what_was_asked(autojump_clock: object) -> None:
    scopes: list[Scope] = []

    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send(start())
        await send(body())

    async with open_front(app) as front:
        client = await front.dial()
        await client.say(b"GET /a%20b?c=%20d HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\n\r\n")
        await client.answer()
    del scopes[0]["extensions"]
    assert scopes == [
        {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/a b",
            "raw_path": b"/a%20b",
            "query_string": b"c=%20d",
            "root_path": "",
            "headers": [(b"host", b"a"), (b"x-one", b"1")],
            "client": None,
            "server": None,
        }
    ]


BAD_HEADS: list[Message] = [
    start(200, (b"x", b"a\r\nevil: b")),
    start(200, (b"x", b"a\nevil: b")),
    start(200, (b"x\r\nevil", b"b")),
    start(200, (b"x y", b"b")),
    start(200, (b"x: y", b"b")),
    start(200, (b"", b"b")),
    start(200, (b"x", b"a\0b")),
    start(200, (b"content-length", b"five")),
    start(200, (b"content-length", b"-5")),
    start(200, (b"content-length", b"5"), (b"content-length", b"5")),
    start(101),
    start(99),
    start(1000),
]


@pytest.mark.parametrize("head", BAD_HEADS, ids=str)
async def test_a_head_that_cannot_be_sent_is_a_bug_of_the_application(autojump_clock: object, head: Message, caplog: Any) -> None:
    async with open_front(saying(head, body(b"hello"))) as front:
        client = await front.dial()
        await client.say(GET)
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"], answer.body) == (500, "close", b"Internal Server Error\n")
        assert await client.rest() == b""
    assert [record.msg for record in caplog.records] == ["an application failed"]


async def test_framing_is_not_for_the_application_to_write(autojump_clock: object) -> None:
    headers = [(b"Transfer-Encoding", b"gzip, chunked"), (b"Connection", b"upgrade"), (b"X-Kept", b"1")]
    async with open_front(saying(start(200, *headers), body(b"hello"))) as front:
        client = await front.dial()
        await client.say(GET)
        assert Answer(200, {"x-kept": "1", "content-length": "5", "date": DATE}, b"hello") == await client.answer()


async def test_an_application_may_give_its_own_date_and_server(autojump_clock: object) -> None:
    async with open_front(saying(start(200, (b"date", b"today"), (b"server", b"mine")), body())) as front:
        client = await front.dial()
        await client.say(GET)
        assert (await client.answer()).headers == {"date": "today", "server": "mine", "content-length": "0"}


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError


async def fails_after_the_start(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    raise ZeroDivisionError


async def says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


@pytest.mark.parametrize(
    "app",
    [
        fails,
        fails_after_the_start,
        says_nothing,
        saying(body(b"x")),
        saying(start(), start(), body(b"x")),
        saying({"type": "http.nonsense"}),
    ],
)
async def test_a_bug_before_anything_was_sent_is_told(autojump_clock: object, app: ASGIApp, caplog: Any) -> None:
    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(GET + GET)
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"], answer.body) == (500, "close", b"Internal Server Error\n")
        assert await client.rest() == b""
    assert len(caplog.records) == 1


LENGTH = (b"content-length", b"5")
BROKEN_OFF = [
    [start(), body(b"abc", more=True)],
    [start(200, LENGTH), body(b"abc", more=True)],
    [start(200, LENGTH), body(b"abc", more=True), body()],
    [start(200, LENGTH), body(b"abc", more=True), body(b"def")],
    [start(), body(b"abc", more=True), start()],
    [start(), body(b"abc", more=True), {"type": "http.response.trailers", "headers": []}],
]


@pytest.mark.parametrize("messages", BROKEN_OFF, ids=str)
async def test_a_bug_after_something_was_sent_cuts_the_answer(autojump_clock: object, messages: list[Message], caplog: Any) -> None:
    async with open_front(saying(*messages)) as front:
        client = await front.dial()
        await client.say(GET)
        head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
        assert rest == (b"abc" if b"content-length" in head else b"3\r\nabc\r\n")
    assert len(caplog.records) == 1


async def test_an_answer_longer_than_it_says_is_a_bug_that_no_client_sees(autojump_clock: object, caplog: Any) -> None:
    async with open_front(saying(start(200, LENGTH), body(b"abcdef"))) as front:
        client = await front.dial()
        await client.say(GET)
        assert (await client.answer()).status == 500


@pytest.mark.parametrize("in_group", [False, True])
@pytest.mark.parametrize("begun", [False, True])
async def test_an_application_may_hang_up(autojump_clock: object, *, in_group: bool, begun: bool, caplog: Any) -> None:
    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await send(start())
            await send(body(b"ab", more=True))
        if in_group:
            async with trio.open_nursery():
                raise HangUp
        raise HangUp

    async with open_front(app) as front:
        client = await front.dial()
        await client.say(GET + GET)
        sent = await client.rest()
        assert (b"2\r\nab\r\n" in sent, sent.count(b"HTTP/1.1")) == (begun, int(begun))
    assert caplog.records == []


async def test_a_client_that_asks_first_is_told_to_go_on_when_the_body_is_wanted(autojump_clock: object) -> None:
    @only_http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(3)
        await echo(scope, receive, send)

    async with open_front(app) as front:
        client = await front.dial()
        for moment in (3, 6):
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert Answer(100, {}, b"") == await client.answer()
            assert trio.current_time() == moment
            await client.say(b"hello")
            assert (await client.answer()).body == b"POST / hello"


async def test_a_client_that_asks_first_and_does_not_wait_is_not_told(autojump_clock: object) -> None:
    async with open_front(echo) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
        assert (await client.answer()).body == b"POST / hello"


async def test_a_body_that_is_not_wanted_is_not_asked_for(autojump_clock: object) -> None:
    async with open_front(saying(start(401), body(b"no"))) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert await client.rest() == b""


async def test_a_small_body_that_is_not_wanted_is_dropped(autojump_clock: object) -> None:
    async with open_front(saying(start(401), body(b"no"))) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe", b"llo" + GET)
        assert [(await client.answer()).status for _ in range(2)] == [401, 401]


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
async def test_a_large_body_that_is_not_wanted_ends_the_connection_but_not_the_answer(autojump_clock: object, framing: bytes) -> None:
    async with open_front(saying(start(401), body(b"no"))) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"], answer.body) == (401, "close", b"no")
        await client.say(b"5\r\n" + b"a" * 100_000, b"b" * 100_000)
        await client.close()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == 0
