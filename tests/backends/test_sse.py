"""A backend over HTTP+SSE: where messages are posted, in which order, and what becomes of a call that is refused (MCP 2024-11-05)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.heard import Heard
from tests.kit.site import open_site
from tests.kit.socket_peer import start

from sluicegate.backends.session import BackendSession, ConnectFailed
from sluicegate.backends.sse.sse_connector import SseConnector
from sluicegate.protocol.calls import Reply
from sluicegate.protocol.sse import format_event

Clock = trio.testing.MockClock
Json = dict[str, Any]
MOST_AT_ONCE = 64
"""POSTs on their way."""
OVER_SECONDS = 10.0
"""How long a POST may last when its call is over."""
MOST_GARBAGE = 10_000
"""Messages that are none, within ten seconds."""
ORDER_SECONDS = 5.0
"""How long a notification waits for what was sent before it."""


@attrs.define(eq=False)
class OldServer:
    """An application whose stream says what a test puts into it."""

    endpoint: str = "/messages?s=1"
    status: int = 200
    kind: str = "text/event-stream"
    heard: list[Json] = attrs.field(factory=list)
    heads: list[tuple[str, str, dict[str, str]]] = attrs.field(factory=list)
    """Method, path and headers of each request."""
    answers: dict[str, Callable[[], Awaitable[tuple[int, bytes]]]] = attrs.field(factory=dict)
    """By the method of a message: what a POST is answered with; 202 otherwise."""
    lingers: bool = False
    """Whether the answers to POSTs do not end."""
    say: trio.MemorySendChannel[bytes] = attrs.field(init=False)
    _said: trio.MemoryReceiveChannel[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.say, self._said = trio.open_memory_channel[bytes](100)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.heads.append((scope["method"], scope["path"], headers))
        if scope["method"] == "POST":
            message = msgspec.json.decode((await receive())["body"])
            answer = self.answers.get(message.get("method", ""))
            status, body = (202, b"Accepted") if answer is None else await answer()
            self.heard.append(message)
            length = [] if self.lingers else [(b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": status, "headers": length})
            await send({"type": "http.response.body", "body": body, "more_body": self.lingers})
            if self.lingers:
                await trio.sleep_forever()
            return
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-type", self.kind.encode())]})
        if self.endpoint:
            await send({"type": "http.response.body", "body": format_event(self.endpoint.encode(), name="endpoint"), "more_body": True})
        async for data in self._said:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def event(self, message: object) -> None:
        self.say.send_nowait(format_event(msgspec.json.encode(message), name="message"))

    def methods(self) -> list[str]:
        return [message["method"] for message in self.heard]


@asynccontextmanager
async def connected(server: OldServer, limit: int = 10_000) -> AsyncGenerator[BackendSession]:
    async with open_site(server) as site:
        connector = SseConnector("old", "http://old.test/sse", {"Authorization": "Bearer t"}, site.open_stream, max_message_size=limit)
        async with connector(Heard()) as session:
            yield session
        await trio.testing.wait_all_tasks_blocked()


def only(group: BaseException) -> ConnectFailed:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    assert isinstance(group, ConnectFailed)
    return group


async def test_messages_are_posted_to_the_address_that_the_stream_names_and_answers_come_on_it(autojump_clock: Clock) -> None:
    server, replies = OldServer(), list[Reply]()
    async with connected(server) as session, trio.open_nursery() as nursery:
        start(nursery, session, a_call("b_t"), replies)
        await trio.testing.wait_all_tasks_blocked()
        server.event({"jsonrpc": "2.0", "id": server.heard[0]["id"], "result": {"content": [{"type": "text", "text": "hi"}]}})
    assert [reply.text for reply in replies] == ["hi"]
    assert [(method, path) for method, path, _ in server.heads] == [("GET", "/sse"), ("POST", "/messages")]
    assert {headers["authorization"] for _, _, headers in server.heads} == {"Bearer t"}


@pytest.mark.parametrize(
    ("endpoint", "operator"),
    [
        ("https://other.test/messages", "leads to another origin"),
        ("//other.test/messages", "leads to another origin"),
        ("http://old.test:81/", "leads to another origin"),
        ("http://[", "is no URL"),
    ],
)
async def test_an_address_elsewhere_is_not_contacted(endpoint: str, operator: str, autojump_clock: Clock) -> None:
    server = OldServer(endpoint)
    with pytest.raises(ExceptionGroup) as caught:
        async with connected(server):
            pass
    failed = only(caught.value)
    assert failed.why.public == "the address that it names for messages cannot be used"
    assert operator in failed.why.operator
    assert [method for method, _, _ in server.heads] == ["GET"]


@pytest.mark.parametrize(
    ("server", "operator"),
    [
        (OldServer(kind="text/html"), 'HTTP 200 without a stream of events: if it speaks Streamable HTTP, write transport = "http"'),
        (OldServer(status=404), 'answered HTTP 404; if it speaks Streamable HTTP, write transport = "http"'),
        (OldServer(status=401), "check the backend's headers and bearer_token"),
    ],
)
async def test_what_is_no_such_stream_is_told_with_what_to_do(server: OldServer, operator: str, autojump_clock: Clock) -> None:
    server.say.close()
    with pytest.raises(ExceptionGroup) as caught:
        async with connected(server):
            pass
    assert operator in only(caught.value).why.operator


async def test_a_stream_without_an_address_is_left_when_the_caller_has_no_more_time(autojump_clock: Clock) -> None:
    with trio.move_on_after(5) as scope:
        async with connected(OldServer("")):
            pass
    assert scope.cancelled_caught


async def test_the_end_of_the_stream_is_the_end_of_the_session_and_of_its_calls(autojump_clock: Clock) -> None:
    server, replies = OldServer(), list[Reply]()
    async with connected(server) as session, trio.open_nursery() as nursery:
        start(nursery, session, a_call("b_t"), replies)
        await trio.testing.wait_all_tasks_blocked()
        server.say.close()
        assert str(await session.wait_closed()) == "its event stream ended"
    fault = replies[0].fault
    assert fault is not None
    assert (fault.reason, fault.started) == ("connection_lost", True)


async def test_a_cancellation_does_not_overtake_its_call_and_calls_do_not_wait_for_each_other(autojump_clock: Clock) -> None:
    async def slowly() -> tuple[int, bytes]:
        await trio.sleep(3)
        return 202, b""

    server = OldServer(answers={"tools/call": slowly})
    async with connected(server) as session:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(3):
                start(nursery, session, a_call(f"b_{number}"), [])
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        await trio.sleep(1)
        assert server.methods() == []
        await trio.sleep(2)
        assert server.methods() == ["tools/call"] * 3 + ["notifications/cancelled"] * 3
        assert trio.current_time() - began == pytest.approx(4)


async def test_a_server_that_holds_posts_until_it_has_answered_hears_of_a_cancellation_all_the_same(autojump_clock: Clock) -> None:
    async def never() -> tuple[int, bytes]:
        await trio.sleep(50)
        return 202, b""

    server = OldServer(answers={"tools/call": never})
    async with connected(server) as session:
        with trio.move_on_after(1):
            await session.request(a_call("b_t"))
        await trio.sleep(ORDER_SECONDS - 0.5)
        assert server.methods() == []
        await trio.sleep(1)
        assert server.methods() == ["notifications/cancelled"]


async def test_a_post_lasts_as_long_as_its_call(autojump_clock: Clock) -> None:
    async def refuse() -> tuple[int, bytes]:
        await trio.sleep(100)
        return 500, b""

    async with connected(OldServer(answers={"tools/call": refuse})) as session:
        fault = (await session.request(a_call("b_t"))).fault
        assert fault is not None
        assert fault.reason == "http_status"
        assert trio.current_time() == pytest.approx(100)


async def test_posts_whose_calls_are_over_make_room(autojump_clock: Clock) -> None:
    async def never() -> tuple[int, bytes]:
        await trio.sleep(1000)
        return 202, b""

    server = OldServer(answers={"tools/call": never})
    async with connected(server) as session, trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            async with trio.open_nursery() as given_up:
                for number in range(MOST_AT_ONCE):
                    start(given_up, session, a_call(f"b_{number}"), [])
        await trio.sleep(OVER_SECONDS - 1.5)
        assert server.methods() == []
        await trio.sleep(1)
        assert server.methods() == ["notifications/cancelled"] * MOST_AT_ONCE
        nursery.cancel_scope.cancel()


async def test_one_slow_post_holds_up_no_other(autojump_clock: Clock) -> None:
    begun = 0

    async def slow_at_first() -> tuple[int, bytes]:
        nonlocal begun
        begun += 1
        await trio.sleep(100 if begun == 1 else 1)
        return 202, b""

    server = OldServer(answers={"tools/call": slow_at_first})
    async with connected(server) as session, trio.open_nursery() as nursery:
        for number in range(2 * MOST_AT_ONCE):
            start(nursery, session, a_call(f"b_{number}"), [])
        await trio.sleep(3.5)
        assert len(server.heard) == 2 * MOST_AT_ONCE - 1
        nursery.cancel_scope.cancel()


async def test_a_call_that_waits_for_a_place_can_be_taken_back(autojump_clock: Clock) -> None:
    async def slowly() -> tuple[int, bytes]:
        await trio.sleep(10)
        return 202, b""

    server = OldServer(answers={"tools/call": slowly})
    async with connected(server) as session, trio.open_nursery() as nursery:
        for number in range(MOST_AT_ONCE):
            start(nursery, session, a_call(f"b_{number}"), [])
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await session.request(a_call("b_late"))
        await trio.sleep(30)
        assert server.methods() == ["tools/call"] * MOST_AT_ONCE
        nursery.cancel_scope.cancel()


async def test_posts_whose_answers_do_not_end_hold_their_places_without_anybody_being_busy(autojump_clock: Clock) -> None:
    server = OldServer(lingers=True)
    async with connected(server) as session, trio.open_nursery() as nursery:
        for number in range(2 * MOST_AT_ONCE):
            start(nursery, session, a_call(f"b_{number}"), [])
        await trio.sleep(1)
        assert len(server.heard) == 2 * MOST_AT_ONCE
        nursery.cancel_scope.cancel()


async def test_that_nobody_takes_a_notification_is_told_after_a_minute(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async def never() -> tuple[int, bytes]:
        await trio.sleep(1000)
        return 202, b""

    async with connected(OldServer(answers={"notifications/initialized": never})) as session:
        session.tell("notifications/initialized", {})
        await trio.sleep(59)
        assert "did not take a message" not in caplog.text
        await trio.sleep(2)
        assert "did not take a message" in caplog.text


async def test_the_words_of_a_refusal_are_waited_for_but_not_for_ever(autojump_clock: Clock) -> None:
    async def refuse() -> tuple[int, bytes]:
        return 500, b"why"

    async with connected(OldServer(answers={"tools/call": refuse}, lingers=True)) as session:
        fault = (await session.request(a_call("b_t"))).fault
        assert fault is not None
        assert fault.reason == "http_status"
        assert trio.current_time() == pytest.approx(5)


@pytest.mark.parametrize(
    ("status", "body", "goes_on"),
    [(400, b"no JSON", True), (413, b"large", True), (500, b"", True), (400, b"No transport for sessionId", False), (404, b"", False)],
)
async def test_a_call_whose_post_is_refused_fails_at_once_and_a_lost_session_is_over(
    status: int, body: bytes, goes_on: bool, autojump_clock: Clock
) -> None:
    async def refuse() -> tuple[int, bytes]:
        return status, body

    server = OldServer(answers={"tools/call": refuse})
    async with connected(server) as session:
        fault = (await session.request(a_call("b_t"))).fault
        assert fault is not None
        assert (fault.reason, fault.started, fault.is_about_call) == ("http_status", status >= 500, status in {400, 413})
        assert session.is_open is goes_on
        assert trio.current_time() == pytest.approx(0)


async def test_an_event_over_the_limit_fails_the_one_call_that_is_open(autojump_clock: Clock) -> None:
    server, replies = OldServer(), list[Reply]()
    async with connected(server, limit=5000) as session, trio.open_nursery() as nursery:
        start(nursery, session, a_call("b_t"), replies)
        await trio.testing.wait_all_tasks_blocked()
        server.event({"jsonrpc": "2.0", "id": server.heard[0]["id"], "result": {"x": "y" * 6000}})
        await trio.testing.wait_all_tasks_blocked()
        assert session.is_open
    fault = replies[0].fault
    assert fault is not None
    assert fault.reason == "bad_answer"


async def test_an_event_over_the_limit_fails_the_call_that_either_end_names_and_no_other(autojump_clock: Clock) -> None:
    server = OldServer()
    replies: list[list[Reply]] = [[], [], []]
    async with connected(server, limit=5000) as session, trio.open_nursery() as nursery:
        for number in range(3):
            start(nursery, session, a_call(f"b_{number}"), replies[number])
            await trio.testing.wait_all_tasks_blocked()
        first, second, third = (message["id"] for message in server.heard)
        server.event({"jsonrpc": "2.0", "id": first, "result": {"x": "y" * 6000}})
        server.event({"result": {"x": "y" * 6000}, "jsonrpc": "2.0", "id": second})
        server.event({"jsonrpc": "2.0", "id": third, "result": {}})
    assert [one.fault and one.fault.reason for (one,) in replies] == ["bad_answer", "bad_answer", None]


@pytest.mark.parametrize("name", ["message", "note"])
async def test_what_is_over_the_limit_and_no_answer_costs_no_call_and_is_counted(name: str, autojump_clock: Clock) -> None:
    server, replies = OldServer(), list[Reply]()
    line = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "y" * 6000}}
    async with connected(server, limit=5000) as session:
        async with trio.open_nursery() as nursery:
            start(nursery, session, a_call("b_t"), replies)
            await trio.testing.wait_all_tasks_blocked()
            server.say.send_nowait(format_event(msgspec.json.encode(line), name=name))
            server.event({"jsonrpc": "2.0", "id": server.heard[0]["id"], "result": {}})
        assert replies[0].fault is None
        assert session.garbage == 1  # type: ignore[attr-defined]
        server.say.send_nowait(format_event(msgspec.json.encode(line), name=name) * MOST_GARBAGE)
        assert str(await session.wait_closed()).startswith(f"it sent {MOST_GARBAGE + 1} messages that could not be used")


async def test_a_second_address_changes_nothing(autojump_clock: Clock) -> None:
    server = OldServer()
    async with connected(server) as session:
        server.say.send_nowait(format_event(b"/elsewhere", name="endpoint"))
        await trio.testing.wait_all_tasks_blocked()
        session.tell("notifications/initialized", {})
        await trio.testing.wait_all_tasks_blocked()
        assert server.heads[-1][1] == "/messages"
