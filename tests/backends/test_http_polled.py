"""Servers that end the stream of an answer before the answer is there, and are asked for the rest: when, how often, until when."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.session import HttpSession
from sluicegate.backends.session import BackendSession
from sluicegate.http1.server.server import HangUp
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause
from sluicegate.protocol.messages import Raw
from sluicegate.testing.scissors import cut_after

Clock = trio.testing.MockClock
CHANGED = "notifications/tools/list_changed"


def call() -> Call:
    return Call("tools/call", "x", {"name": Raw(b'"x"')})


@attrs.define(eq=False)
class Polled:
    """A server that says an id, hangs up, and answers at that time; before it each stream ends as it began."""

    until: float
    retry: int | None = None
    names_each: bool = True
    """Whether a resumed stream begins with an id of its own."""
    holds: bool = False
    """Whether a resumed stream stays open until the answer is there."""
    posted: list[Answer] = attrs.field(factory=list)
    polls: list[tuple[float, str]] = attrs.field(factory=list)
    """When it was asked again, and after which event."""

    @property
    def endpoint(self) -> ScriptedEndpoint:
        return ScriptedEndpoint(on={"tools/call": self.talk, "GET": self.resume})

    async def talk(self, answer: Answer) -> None:
        self.posted.append(answer)
        await answer.stream()
        await answer.event(id="p0", retry=self.retry)
        await answer.end()

    async def resume(self, answer: Answer) -> None:
        if "last-event-id" not in answer.headers:  # the standing stream
            await answer.send(405)
            return
        self.polls.append((trio.current_time(), answer.headers["last-event-id"]))
        await answer.stream()
        if self.names_each:
            await answer.event(id=f"p{len(self.polls)}")
        if self.holds:
            await trio.sleep_until(self.until)
        if trio.current_time() >= self.until:
            await answer.event(self.posted[-1].response(result={"ok": True}), id="last")
        await answer.end()


@asynccontextmanager
async def talking_to(endpoint: ScriptedEndpoint, heard: Heard | None = None) -> AsyncGenerator[BackendSession]:
    """A session with it; afterwards nothing of it may be left."""
    async with (
        open_site(endpoint) as site,
        HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(heard or Heard()) as session,
    ):
        await shake_hands(session, name="test", version="1")
        yield session


async def test_a_server_that_is_to_be_polled_is_asked_again_when_it_says(autojump_clock: Clock) -> None:
    server = Polled(until=7, retry=2000)
    async with talking_to(server.endpoint) as session:
        assert (await session.request(call())).value == {"ok": True}
    assert server.polls == [(2.0, "p0"), (4.0, "p1"), (6.0, "p2"), (8.0, "p3")]
    assert len(server.posted) == 1


async def test_a_server_that_holds_the_second_stream_is_asked_once(autojump_clock: Clock) -> None:
    server = Polled(until=50, retry=500, holds=True)
    async with talking_to(server.endpoint) as session:
        assert (await session.request(call())).value == {"ok": True}
    assert server.polls == [(0.5, "p0")]


async def test_who_says_when_to_come_again_is_asked_for_as_long_as_the_call_may_take(autojump_clock: Clock) -> None:
    """It has nothing to tell for longer than any broken stream is asked for, not even an id."""
    server = Polled(until=60, retry=1000, names_each=False)
    async with talking_to(server.endpoint) as session:
        assert (await session.request(call())).value == {"ok": True}
    assert [after for _, after in server.polls] == ["p0"] * 60


async def test_a_polled_call_that_is_cut_at_its_deadline_is_told_of_and_asked_for_no_more(autojump_clock: Clock) -> None:
    server = Polled(until=float("inf"), retry=1000)
    endpoint = server.endpoint
    async with talking_to(endpoint) as session:
        with trio.move_on_after(10.5):
            await session.request(call())
        await trio.sleep(60)
        told = [answer.message["params"]["requestId"] for answer in endpoint.seen if answer.method == "notifications/cancelled"]
    assert told == [server.posted[0].message["id"]]
    assert [when for when, _ in server.polls] == [float(second) for second in range(1, 11)]


async def test_a_call_that_is_cut_while_its_second_stream_is_open_is_told_of_and_closes_it(autojump_clock: Clock) -> None:
    server = Polled(until=1000, retry=500, holds=True)
    endpoint = server.endpoint
    async with talking_to(endpoint) as session:
        with trio.move_on_after(10):
            await session.request(call())
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == 10
        assert endpoint.methods().count("notifications/cancelled") == 1
        assert isinstance(session, HttpSession)
        assert session.wire.client.busy == 0
    assert server.polls == [(0.5, "p0")]


async def test_a_polled_call_that_is_cut_at_any_step_is_told_of_and_leaves_nothing(autojump_clock: Clock) -> None:
    for step in range(1, 300):
        server = Polled(until=trio.current_time() + 3, retry=1000)
        endpoint = server.endpoint
        async with talking_to(endpoint) as session:
            with cut_after(step) as scope:
                await session.request(call())
            await trio.testing.wait_all_tasks_blocked()
            polls = len(server.polls)
            await trio.sleep(10)
            assert len(server.polls) == polls
            asked = [answer.message["id"] for answer in server.posted]
            told = [answer.message["params"]["requestId"] for answer in endpoint.seen if answer.method == "notifications/cancelled"]
            assert set(asked) <= set(told) or not scope.cancelled_caught
        if not scope.cancelled_caught:
            break
    assert 5 < step < 299


@pytest.mark.parametrize(("status", "asks"), [(500, 5), (502, 5), (503, 5), (429, 5), (404, 1), (400, 1), (405, 1), (204, 1)])
async def test_the_rest_is_asked_for_again_where_it_is_refused_for_now(status: int, asks: int, autojump_clock: Clock) -> None:
    server, refused = Polled(until=0, retry=1000), list[float]()

    async def refuse(answer: Answer) -> None:
        if "last-event-id" in answer.headers:
            refused.append(trio.current_time())
        await answer.send(status if "last-event-id" in answer.headers else 405)

    endpoint = ScriptedEndpoint(on={"tools/call": server.talk, "GET": refuse})
    async with talking_to(endpoint) as session:
        reply = await session.request(call())
    assert _lost(reply)
    assert len(refused) == asks


async def test_a_server_that_was_away_for_a_moment_is_asked_for_the_rest(autojump_clock: Clock) -> None:
    server, answered = Polled(until=0, retry=1000), 0

    async def resume(answer: Answer) -> None:
        nonlocal answered
        answered += "last-event-id" in answer.headers
        await (server.resume(answer) if answered in {0, 4} else answer.send(503))

    async with talking_to(ScriptedEndpoint(on={"tools/call": server.talk, "GET": resume})) as session:
        assert (await session.request(call())).value == {"ok": True}
        assert trio.current_time() == 4


async def test_streams_that_break_again_and_again_are_given_up_whatever_their_server_says(autojump_clock: Clock) -> None:
    server, broken = Polled(until=0, retry=1000), 0

    async def resume(answer: Answer) -> None:
        nonlocal broken
        if "last-event-id" not in answer.headers:
            await answer.send(405)
            return
        broken += 1
        await answer.stream()
        raise HangUp

    async with talking_to(ScriptedEndpoint(on={"tools/call": server.talk, "GET": resume})) as session:
        assert _lost(await session.request(call()))
    assert broken == 5


async def test_a_server_that_asks_on_the_second_stream_is_answered(autojump_clock: Clock) -> None:
    server = Polled(until=0, retry=1000)

    async def resume(answer: Answer) -> None:
        if "last-event-id" not in answer.headers:
            await answer.send(405)
            return
        await answer.stream()
        await answer.event({"jsonrpc": "2.0", "id": "p", "method": "ping"}, id="q")
        await trio.testing.wait_all_tasks_blocked()
        await answer.event(server.posted[0].response(result={"ok": True}))
        await answer.end()

    endpoint = ScriptedEndpoint(on={"tools/call": server.talk, "GET": resume})
    async with talking_to(endpoint) as session:
        assert (await session.request(call())).value == {"ok": True}
    assert [answer.message["result"] for answer in endpoint.seen if answer.message.get("id") == "p"] == [{}]


async def test_without_sessions_there_is_nothing_to_come_back_for(autojump_clock: Clock) -> None:
    """In 2026-07-28 a stream that breaks takes its request with it, whatever ids its events had."""
    server = Polled(until=0, retry=1000)
    endpoint = server.endpoint
    endpoint.stateful = False
    async with talking_to(endpoint) as session:
        session.speak("2026-07-28")
        reply = await session.request(call())
    assert _lost(reply)
    assert server.polls == []


async def test_a_standing_stream_whose_past_is_not_kept_begins_anew(autojump_clock: Clock) -> None:
    """A server may say 400 to an id that it knows no more; its session is alive all the same."""
    asked: list[tuple[float, str | None]] = []

    async def stream(answer: Answer) -> None:
        last_id = answer.headers.get("last-event-id")
        asked.append((trio.current_time(), last_id))
        if last_id is not None:
            await answer.send(400)
            return
        await answer.stream()
        if len(asked) == 1:
            await answer.event(id="g1", retry=1000)
            raise HangUp
        await answer.wait_gone()

    endpoint, heard = ScriptedEndpoint(on={"GET": stream}), Heard()
    async with talking_to(endpoint, heard):
        await trio.sleep(60)
        assert endpoint.session == "session-1"
        assert CHANGED in heard.methods  # what was said in between is lost
    assert asked == [(0.0, None), (1.0, "g1"), (2.0, None)]


def _lost(reply: Reply) -> bool:
    return reply.fault is not None and (reply.fault.cause, reply.fault.started) == (Cause.TRANSPORT, True)
