"""``sluicegate connect`` at its bounds: how long it waits for whom, how much it takes, and what it says of what it cannot take."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.messages import INITIALIZED

from sluicegate.bridge.stdio_server import bridge
from sluicegate.testing.line_client import LineClient, open_line_client

URL = "http://127.0.0.1:8080/mcp"
Answer = Callable[[httpx2.Request], Awaitable[httpx2.Response]]


@attrs.define(eq=False)
class Daemon(httpx2.AsyncBaseTransport):
    """Whatever answers at the gateway's address: by default an MCP server with sessions, which answers everything at once."""

    answers: dict[str, Answer] = attrs.field(factory=dict)
    """What is answered to an HTTP method, or to an MCP one, instead."""
    asked: list[tuple[str, float]] = attrs.field(factory=list)
    """The methods, and when."""
    requests: list[httpx2.Request] = attrs.field(factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        message = json.loads(body) if body else {}
        method = message.get("method", "") or request.method
        self.asked.append((method, trio.current_time()))
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        answer = self.answers.get(method)
        if answer is not None:
            return await answer(request)
        if "id" not in message:
            return httpx2.Response(202 if request.method == "POST" else 405, stream=Body())
        return json_answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": {}}, {"mcp-session-id": "s"})

    def times(self, method: str) -> list[float]:
        return [at for what, at in self.asked if what == method]


def json_answer(status: int, message: object, headers: dict[str, str] | None = None) -> httpx2.Response:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return httpx2.Response(status, headers={"content-type": "application/json"} | (headers or {}), stream=Body([body]))


@attrs.define(eq=False)
class Body(httpx2.AsyncByteStream):
    """What is read as it comes."""

    pieces: list[bytes] = attrs.field(factory=list)

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self.pieces:
            raise StopAsyncIteration
        return self.pieces.pop()


def saying(status: int, message: object = b"") -> Answer:
    async def answer(request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        return json_answer(status, message)

    return answer


def unreachable(seconds: float = 0.0) -> Answer:
    async def answer(request: httpx2.Request) -> httpx2.Response:
        await trio.sleep(seconds)
        raise httpx2.ConnectError("connection refused", request=request)

    return answer


async def never(request: httpx2.Request) -> httpx2.Response:
    await trio.sleep_forever()
    raise AssertionError


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
async def client(daemon: Daemon, nursery: trio.Nursery) -> AsyncGenerator[LineClient, None]:
    async with open_line_client(partial(bridge, URL, {}, transport=daemon), nursery) as client:
        yield client


OPENING = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}


def asking(number: int, method: str = "ping") -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method}


async def open_session(client: LineClient) -> None:
    await client.send(OPENING)
    assert (await client.next())["result"] == {}
    await client.send(INITIALIZED)
    await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("status", "goes_on"), [(400, False), (405, False), (428, False), (429, True), (430, False), (499, False), (500, True), (502, True)]
)
async def test_a_stream_for_news_is_asked_for_again_where_its_refusal_may_pass(
    client: LineClient, daemon: Daemon, autojump_clock: object, status: int, *, goes_on: bool
) -> None:
    daemon.answers["GET"] = saying(status)
    await open_session(client)
    await trio.sleep(60)
    assert (len(daemon.times("GET")) > 1) is goes_on


async def test_a_stream_for_news_is_asked_for_ever_more_rarely_but_often_enough(
    client: LineClient, daemon: Daemon, autojump_clock: object
) -> None:
    daemon.answers["GET"] = saying(503)
    await open_session(client)
    await trio.sleep(60)
    pauses = [later - earlier for earlier, later in itertools.pairwise(daemon.times("GET"))]
    assert pauses[:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2])
    assert pauses[-1] == pytest.approx(2)


async def test_connecting_has_five_seconds_and_an_answer_any_time(client: LineClient, daemon: Daemon, autojump_clock: object) -> None:
    """It is what carries HTTP that keeps the time."""
    await open_session(client)
    assert [request.extensions["timeout"] for request in daemon.requests] == [
        {"connect": 5.0, "read": None, "write": None, "pool": None}
    ] * len(daemon.requests)


async def test_a_first_message_is_tried_for_fourteen_seconds(client: LineClient, daemon: Daemon, autojump_clock: object) -> None:
    """It is given up when the next attempt would begin later: here at 12.88, for each attempt takes 0.42."""
    daemon.answers["initialize"] = unreachable(0.42)
    await client.send(OPENING)
    assert "cannot be reached" in (await client.next())["error"]["message"]
    assert trio.current_time() == pytest.approx(12.88)


async def test_later_messages_are_tried_for_forty_five_seconds(client: LineClient, daemon: Daemon, autojump_clock: object) -> None:
    """The last attempt but one is at 43.1, and the one after it would come at 45.1."""
    await open_session(client)
    began = trio.current_time()
    daemon.answers["ping"] = unreachable()
    await client.send(asking(1))
    assert "cannot be reached" in (await client.next())["error"]["message"]
    assert trio.current_time() - began == pytest.approx(43.1)
    pauses = [later - earlier for earlier, later in itertools.pairwise(daemon.times("ping"))]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6] + [2] * 20)


async def test_a_session_is_opened_anew_twice_for_a_message_and_then_it_is_given_up(
    client: LineClient, daemon: Daemon, autojump_clock: object
) -> None:
    await open_session(client)
    daemon.answers["ping"] = saying(404)
    await client.send(asking(1))
    assert "forgets its sessions at once" in (await client.next())["error"]["message"]
    assert (len(daemon.times("ping")), len(daemon.times("initialize"))) == (2, 3)


@pytest.mark.parametrize(("count", "until"), [(17, 7), (18, 20.1)])
async def test_sixteen_lines_are_read_while_one_cannot_be_delivered(
    client: LineClient, daemon: Daemon, autojump_clock: object, count: int, until: float
) -> None:
    """With more the end of the input is not seen before the first has been given up, after 13.1 seconds."""
    daemon.answers["initialize"] = daemon.answers["ping"] = unreachable()
    await client.send(OPENING, *(asking(number) for number in range(1, count)))
    await client.stdin.aclose()
    answers = [await client.next() for _ in range(count)]
    assert {answer["id"] for answer in answers} == set(range(count))
    await client.ended.wait()
    assert trio.current_time() == pytest.approx(until)


async def test_what_is_open_when_the_input_ends_has_five_seconds_and_two_after_the_farewell(
    client: LineClient, daemon: Daemon, autojump_clock: object
) -> None:
    daemon.answers["slow"] = never
    await open_session(client)
    await client.send(asking(1, "slow"))
    await trio.testing.wait_all_tasks_blocked()
    await client.stdin.aclose()
    assert "ended before the gateway had answered" in (await client.next())["error"]["message"]
    assert (daemon.times("DELETE"), trio.current_time()) == ([5.0], 7.0)


async def test_a_daemon_that_does_not_hear_the_farewell_is_left_after_two_seconds(
    client: LineClient, daemon: Daemon, autojump_clock: object
) -> None:
    daemon.answers["DELETE"] = never
    await open_session(client)
    await client.stdin.aclose()
    await client.ended.wait()
    assert trio.current_time() == 2.0


@pytest.mark.parametrize(("lag", "arrives"), [(1.9, True), (2.1, False)])
async def test_what_was_answered_is_written_for_two_more_seconds(
    daemon: Daemon, nursery: trio.Nursery, autojump_clock: object, lag: float, *, arrives: bool
) -> None:
    to_us, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_us = trio.testing.memory_stream_one_way_pair()
    passes = stdout.send_all_hook
    assert passes is not None

    async def late() -> None:
        await trio.sleep(lag)
        await passes()

    stdout.send_all_hook, stdout.close_hook = late, None  # else what was not taken would come with the end
    nursery.start_soon(partial(bridge, URL, {}, transport=daemon), stdin, stdout)
    await LineClient(to_us, from_us).send(OPENING)
    await to_us.aclose()
    with trio.move_on_after(100) as scope:
        assert (await LineClient(to_us, from_us).next())["result"] == {}
    assert scope.cancelled_caught is not arrives


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (299, {"jsonrpc": "2.0", "id": 1, "result": {"x": 1}}, {"x": 1}),
        (300, {"jsonrpc": "2.0", "id": 1, "result": {"x": 1}}, "answered with HTTP 300"),
        (300, {"error": {"code": -1, "message": "its own"}}, "its own"),
        (500, b"y" * 201, "HTTP 500: " + "y" * 200),
        (200, b"y" * 201, "no MCP server"),
    ],
)
async def test_a_success_is_a_status_below_300_and_of_anything_else_200_bytes_are_told(
    client: LineClient, daemon: Daemon, autojump_clock: object, status: int, message: object, told: object
) -> None:
    await open_session(client)
    daemon.answers["ping"] = saying(status, message)
    await client.send(asking(1))
    answer = await client.next()
    if isinstance(told, str):
        words = answer["error"]["message"]
        assert told in words
        assert "y" * 201 not in words
    else:
        assert answer["result"] == told


@pytest.mark.parametrize("raw", [b'"seven"', b"7"])
async def test_a_request_of_more_than_64_mebibytes_is_refused_under_its_own_id(
    client: LineClient, daemon: Daemon, autojump_clock: object, raw: bytes
) -> None:
    await open_session(client)
    head = b'{"jsonrpc":"2.0","id":%b,"method":"ping","params":{"x":"' % raw
    await client.send(head + b"x" * (67_108_865 - len(head) - 3) + b'"}}')
    answer = await client.next()
    assert answer["id"] == json.loads(raw)
    assert answer["error"]["message"] == "a message of 67108865 bytes exceeds the maximum size of 67108864 bytes"
    assert not daemon.times("ping")


async def test_1024_requests_may_be_open(client: LineClient, daemon: Daemon, autojump_clock: object) -> None:
    daemon.answers["slow"] = never
    await open_session(client)
    await client.send(*(asking(number, "slow") for number in range(1, 1025)))
    await trio.testing.wait_all_tasks_blocked()
    await client.send(asking(2000, "slow"))
    answer = await client.next()
    assert (answer["id"], "1024 requests are open already" in answer["error"]["message"]) == (2000, True)
    assert len(daemon.times("slow")) == 1024


async def test_the_time_for_writing_begins_when_the_last_answer_is_being_written(
    daemon: Daemon, nursery: trio.Nursery, autojump_clock: object
) -> None:
    """Two answers that take a second and a half each both arrive."""
    to_us, stdin = trio.testing.memory_stream_one_way_pair()
    stdout, from_us = trio.testing.memory_stream_one_way_pair()
    passes = stdout.send_all_hook
    assert passes is not None

    async def late() -> None:
        await trio.sleep(1.5)
        await passes()

    stdout.send_all_hook, stdout.close_hook = late, None
    nursery.start_soon(partial(bridge, URL, {}, transport=daemon), stdin, stdout)
    client = LineClient(to_us, from_us)
    await client.send(asking(1), asking(2))
    await to_us.aclose()
    assert {(await client.next())["id"] for _ in range(2)} == {1, 2}


@pytest.mark.parametrize("version", ["", "2025-11-25"])
async def test_what_follows_says_the_session_and_the_revision_as_far_as_there_are_any(
    client: LineClient, daemon: Daemon, autojump_clock: object, version: str
) -> None:
    given = {"mcp-session-id": "s"} | ({"mcp-protocol-version": version} if version else {})

    async def opens(request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        return json_answer(200, {"jsonrpc": "2.0", "id": 0, "result": {}}, given)

    daemon.answers["initialize"] = opens
    await open_session(client)
    said = [{name: request.headers[name] for name in request.headers if name.startswith("mcp-")} for request in daemon.requests]
    assert said == [{}, *[given] * (len(said) - 1)]
    assert len(said) >= 3


def streaming(*events: bytes) -> Answer:
    async def answer(request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body([b"".join(events)]))

    return answer


REPLY = b'data: {"jsonrpc":"2.0","id":1,"result":{"x":1}}\n\n'
NOTE = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n'


@pytest.mark.parametrize(
    ("events", "heard"), [([REPLY], [{"x": 1}]), ([NOTE, REPLY], [None, {"x": 1}]), ([NOTE], [None, "ended before it was complete"])]
)
async def test_a_stream_without_ids_is_not_resumed(
    client: LineClient, daemon: Daemon, autojump_clock: object, events: list[bytes], heard: list[object]
) -> None:
    """So it is whole with the reply, and an error without it; in either case that is all."""
    daemon.answers["ping"] = streaming(*events)
    await open_session(client)
    await client.send(asking(1), asking(2, "tools/list"))
    lines = [await client.next() for _ in range(len(heard) + 1)]
    told = [line for line in lines if line.get("id") != 2]
    assert [
        line.get("result") if "error" not in line else line["error"]["message"].partition("the gateway's answer ")[2] for line in told
    ] == heard
    await trio.sleep(100)
    await client.send(asking(3, "tools/list"))
    assert (await client.next())["id"] == 3


async def test_a_gateway_that_forgets_a_session_while_it_is_opened_anew_costs_one_error(
    client: LineClient, daemon: Daemon, autojump_clock: object
) -> None:
    await open_session(client)
    daemon.answers["ping"] = daemon.answers["notifications/initialized"] = saying(404)
    await client.send(asking(1))
    assert "forgets its sessions at once" in (await client.next())["error"]["message"]
    assert len(daemon.times("ping")) == 1
    daemon.answers.clear()
    await client.send(asking(2))
    assert (await client.next())["result"] == {}
