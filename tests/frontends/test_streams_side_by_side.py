"""Several streams of one session: each begins with an id, each has its own messages, and who stops reading one loses that one alone."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.principal import NOBODY
from sluicegate.protocol.question import Question
from sluicegate.routing.directory import ListChange

# The numbers that are promised. Taken from the source they would move with it.
MOST_NOTES = 256
NOTES = 10_000

TOOLS_CHANGED = "notifications/tools/list_changed"


@pytest.fixture
def tools(tools: dict[str, Callable[[Call], Awaitable[Reply]]], talk: Any) -> dict[str, Callable[[Call], Awaitable[Reply]]]:
    async def flood(call: Call) -> Reply:
        for number in range(NOTES):
            call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":%d}}' % number)
            if number % 100 == 0:
                await trio.sleep(0.01)
        return talk.result("flooded")  # type: ignore[no-any-return]

    async def late_question(call: Call) -> Reply:
        await trio.sleep(5)
        fault = call.back.ask(Question("roots/list", {}, lambda _reply: None))
        return talk.result("asked") if fault is None else Reply.failed(fault)

    async def late_note(call: Call) -> Reply:
        await trio.sleep(1)
        call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')
        return await late_question(call)

    return tools | {"flood": flood, "late_question": late_question, "late_note": late_note}


async def first_event(stream: Any) -> bytes:
    """As it is sent; what came together with it is kept."""
    chunk = bytes(await anext(stream.chunks))
    stream.take(chunk)
    return chunk.partition(b"\n\n")[0] + b"\n\n"


async def test_each_stream_begins_with_an_id_also_one_that_is_resumed(gate: Any, talk: Any, autojump_clock: object) -> None:
    """There are clients that ask once for the rest of a stream, and never again if that one tells them no new id."""
    session = await gate.open()
    gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
    async with gate.stream("POST", session, talk.calling("chatty")) as post, gate.stream("GET", session) as news:
        assert await first_event(post) == b"id: 1-0\nretry: 1000\ndata: \n\n"
        assert await first_event(news) == b"id: 0-0\nretry: 1000\ndata: \n\n"
        assert (await post.next()).id == "1-1"
        assert (await news.next()).id == "0-1"
    async with gate.stream("GET", session, last_event_id="1-1") as post, gate.stream("GET", session, last_event_id="0-1") as news:
        assert await first_event(post) == b"id: 1-1\nretry: 1000\ndata: \n\n"
        assert await first_event(news) == b"id: 0-1\nretry: 1000\ndata: \n\n"
        assert (await post.next()).id == "1-2"
    async with gate.stream("GET", session) as news:  # nobody says after what
        assert await first_event(news) == b"id: 0-1\nretry: 1000\ndata: \n\n"


async def test_each_message_goes_on_one_stream_only(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("GET", session) as news:
        streams = [gate.stream("POST", session, talk.calling("chatty", number)) for number in range(3)]
        async with streams[0] as one, streams[1] as two, streams[2] as three:
            gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
            for number, stream in enumerate((one, two, three)):
                told = [json.loads(event.data) for event in await stream.rest()]
                assert [message.get("id", message.get("method")) for message in told] == ["notifications/progress"] * 3 + [number]
        assert json.loads((await news.next()).data)["method"] == TOOLS_CHANGED
        with trio.move_on_after(20):
            raise AssertionError((await news.next()).data)


async def test_who_reads_nothing_of_one_stream_hears_all_of_the_others(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("flood", "stalled")) as stalled, gate.stream("GET", session) as news:
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        for number in range(20):
            assert (await gate.post(talk.calling("echo", number), session)).json()["id"] == number
        assert trio.current_time() == began
        gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
        assert json.loads((await news.next()).data)["method"] == TOOLS_CHANGED
        async with gate.stream("POST", session, talk.calling("chatty", "lively")) as lively:
            assert len(await lively.rest()) == 4
        events = await stalled.rest()
    numbers = [int(event.id.partition("-")[2]) for event in events]
    assert numbers == sorted(numbers)
    assert json.loads(events[-1].data)["id"] == "stalled"  # the reply is never dropped
    assert numbers[-1] == NOTES + 1
    assert len(events) < NOTES  # the rest of the notes is lost, and the ids tell so


async def test_what_is_kept_for_a_reader_that_does_not_come_is_bounded(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("flood", "lost")) as stream:
        await stream.next()
    await trio.sleep(20)
    async with gate.stream("GET", session, last_event_id="1-1") as again:
        events = await again.rest()
    assert len(events) == MOST_NOTES + 1
    assert json.loads(events[-1].data)["id"] == "lost"


@pytest.mark.parametrize(("version", "is_asked"), [("2025-11-25", True), ("2025-06-18", False)])
async def test_who_has_gone_is_asked_only_if_an_id_was_told(
    gate: Any, talk: Any, nursery: trio.Nursery, version: str, is_asked: bool, autojump_clock: object
) -> None:
    """A stream that has begun for having taken long tells one to clients that know of empty events, and nothing to others."""
    gate.endpoint.waits.begin(nursery)
    opening = talk.opening(version)
    opening["params"]["capabilities"] = {"roots": {}}
    session = (await gate.post(opening)).headers["mcp-session-id"]
    async with gate.stream("POST", session, talk.calling("late_question")) as stream:
        await first_event(stream)
    await trio.sleep(3.5)
    (answer,) = gate.app.sessions.find(session, NOBODY).answers.values()
    assert (answer.log.last > 0) is True
    ends = [json.loads(data) for _, data in answer.log.after(0)]
    assert ("result" in ends[-1]) is is_asked
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("version", "stays", "is_asked"),
    [("2025-11-25", 0.5, False), ("2025-06-18", 0.5, False), ("2025-11-25", 2, True), ("2025-06-18", 2, True)],
)
async def test_who_goes_before_a_note_makes_a_stream_is_told_nothing_and_not_asked(
    gate: Any, talk: Any, tools: Any, version: str, stays: float, is_asked: bool, autojump_clock: object
) -> None:
    """The id of the note is the first that a client gets, if it is there for it."""
    replies: list[Reply] = []

    async def watched(call: Call) -> Reply:
        replies.append(await tools["late_note"](call))
        return replies[0]

    tools["watched"] = watched
    opening = talk.opening(version)
    opening["params"]["capabilities"] = {"roots": {}}
    session = (await gate.post(opening)).headers["mcp-session-id"]
    with trio.move_on_after(stays):
        await gate.post(talk.calling("watched"), session)
    await trio.sleep(10)
    assert [reply.fault is None for reply in replies] == [is_asked]
    assert bool(gate.app.sessions.find(session, NOBODY).answers) is is_asked


async def test_who_takes_over_from_his_own_connection_leaves_no_orphan_though_his_answer_begins_slowly(
    gate: Any, talk: Any, tools: Any, autojump_clock: object
) -> None:
    """The connection before is done with while the new one begins; a call that nobody reads would be cut after a minute."""

    async def begins_slowly(scope: Any, receive: Any, send: Any) -> None:
        async def slowly(event: Any) -> None:
            if scope["method"] == "GET" and event["type"] == "http.response.start":
                await trio.sleep(1)
            await send(event)

        await gate.app(scope, receive, slowly)

    async def long(_call: object) -> object:
        await trio.sleep(150)
        return talk.result("done")

    tools["long"] = long
    session = await gate.open()
    gate.transport.app = begins_slowly
    async with gate.stream("POST", session, talk.calling("long"), accept="text/event-stream") as stream:
        await anext(stream.chunks)
        async with gate.stream("GET", session, last_event_id="1-0") as again:
            assert b'"text":"done"' in (await again.next()).data
