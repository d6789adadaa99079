"""Answers that become streams, streams that are resumed, and the GET stream; all under the mock clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio

from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.stream import Downlink, EventLog, read_event_id
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.principal import NOBODY
from sluicegate.routing.directory import ListChange

# The numbers that are promised. Taken from the source they would move with it.
KEEP_ALIVE_SECONDS_OF_NEWS = 30.0
MOST_NOTES = 256

TOOLS_CHANGED = "notifications/tools/list_changed"


async def test_the_first_note_makes_the_answer_a_stream(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty", "a")) as stream:
        assert trio.current_time() == 1
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert stream.response.headers["x-accel-buffering"] == "no"
        assert stream.response.headers["mcp-protocol-version"] == "2025-11-25"
        events = [json.loads(event.data) for event in await stream.rest()]
    assert [event.get("params", {}).get("progress") for event in events] == [0, 1, 2, None]
    assert events[-1]["id"] == "a"
    assert trio.current_time() == 4


async def test_a_client_that_takes_json_only_goes_without_notes(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    answer = await gate.post(talk.calling("chatty"), session, accept="application/json")
    assert answer.json()["result"]["content"][0]["text"] == "done"


async def test_a_client_that_takes_streams_only_gets_one(gate: Any, talk: Any) -> None:
    session = await gate.open()
    answer = await gate.post(talk.calling("echo"), session, accept="text/event-stream")
    assert answer.headers["content-type"] == "text/event-stream"
    assert b"hello" in answer.content


@pytest.mark.parametrize(("version", "primed"), [("2025-11-25", True), ("2025-06-18", False)])
async def test_only_new_clients_get_an_id_before_anything_happened(
    gate: Any, talk: Any, autojump_clock: object, version: str, primed: bool
) -> None:
    session = await gate.open(version)
    answer = await gate.post(talk.calling("chatty"), session)
    assert answer.content.startswith(b"id: 1-0\n") is primed


async def test_a_lost_stream_is_resumed_where_it_broke(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty", 9)) as stream:
        last = (await stream.next()).id
    assert last == "1-1"
    await trio.sleep(1.5)
    async with gate.stream("GET", session, last_event_id=last) as stream:
        events = await stream.rest()
    assert [event.id for event in events] == ["1-2", "1-3", "1-4"]
    assert json.loads(events[-1].data)["id"] == 9
    assert trio.current_time() == 4


async def test_a_stream_that_ended_while_nobody_read_can_still_be_fetched(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty")) as stream:
        await stream.next()
    await trio.sleep(20)
    async with gate.stream("GET", session, last_event_id="1-1") as stream:
        assert len(await stream.rest()) == 3
    gone = await gate.http.get("/mcp", headers={"accept": talk.both, "mcp-session-id": session, "last-event-id": "1-1"})
    assert gone.status_code == 400


async def test_what_nobody_fetches_is_dropped_in_the_end(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    nursery.start_soon(gate.app.sessions.sweep)
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty")) as stream:
        await stream.next()
    await trio.sleep(200)
    gone = await gate.http.get("/mcp", headers={"accept": talk.both, "mcp-session-id": session, "last-event-id": "1-1"})
    assert gone.status_code == 400
    nursery.cancel_scope.cancel()


async def test_a_resuming_client_takes_the_stream_over(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty")) as old:
        await old.next()
        async with gate.stream("GET", session, last_event_id="1-1") as new:
            assert await old.rest() == []
            assert len(await new.rest()) == 3


async def test_another_session_cannot_resume_a_stream(gate: Any, talk: Any, autojump_clock: object) -> None:
    mine, theirs = await gate.open(), await gate.open()
    async with gate.stream("POST", mine, talk.calling("chatty")) as stream:
        await stream.next()
        answer = await gate.http.get("/mcp", headers={"accept": talk.both, "mcp-session-id": theirs, "last-event-id": "1-0"})
        assert answer.status_code == 400


async def test_a_disconnect_is_no_cancel_but_nobody_is_waited_for_for_ever(
    gate: Any, talk: Any, tools: Any, autojump_clock: object
) -> None:
    ends: list[float] = []

    async def endless(call: Call) -> Reply:
        try:
            await trio.sleep_forever()
        finally:
            ends.append(trio.current_time())
        raise AssertionError

    tools["endless"] = endless
    session = await gate.open()
    with trio.move_on_after(3):
        await gate.post(talk.calling("endless"), session)
    await trio.sleep(100)
    assert ends == [63]


async def test_too_many_orphans_are_ended_at_once(gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_orphans=1))
    session = await gate.open()
    for number in (1, 2):
        with trio.move_on_after(1):
            await gate.post(talk.calling("slow", number), session)
    await trio.testing.wait_all_tasks_blocked()
    assert len(gate.app.sessions.orphans) == 1
    await trio.sleep(10)
    assert not gate.app.sessions.orphans


async def test_a_cancelled_call_gets_an_error_over_http(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await gate.post(talk.calling("slow", "x"), session))

    nursery.start_soon(call)
    await trio.sleep(1)
    for wrong in ("y", 1, None, True):
        await gate.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": wrong}}, session)
    assert not answers
    await gate.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "x"}}, session)
    await trio.testing.wait_all_tasks_blocked()
    assert answers[0].json()["error"]["code"] == -32800
    assert answers[0].json()["id"] == "x"
    assert trio.current_time() == 1


async def test_a_cancel_from_another_session_does_nothing(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    mine, theirs = await gate.open(), await gate.open()
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await gate.post(talk.calling("slow", 1), mine))

    nursery.start_soon(call)
    await trio.sleep(1)
    await gate.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}, theirs)
    await trio.sleep(5)
    assert "result" in answers[0].json()


async def test_several_answers_stream_side_by_side(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    seen: dict[int, list[Any]] = {}

    async def call(number: int) -> None:
        async with gate.stream("POST", session, talk.calling("chatty", number)) as stream:
            seen[number] = [json.loads(event.data) for event in await stream.rest()]

    for number in range(3):
        nursery.start_soon(call, number)
    await trio.sleep(5)
    assert {number: events[-1]["id"] for number, events in seen.items()} == {0: 0, 1: 1, 2: 2}
    assert all(len(events) == 4 for events in seen.values())


async def test_a_batch_with_notes_is_a_stream_of_all_its_replies(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open("2025-03-26")
    async with gate.stream("POST", session, [talk.calling("echo", 1), talk.calling("chatty", 2)]) as stream:
        events = [json.loads(event.data) for event in await stream.rest()]
    assert [event.get("id") for event in events] == [1, None, None, None, 2]


async def test_changed_lists_are_told_once_on_the_get_stream(gate: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("GET", session) as stream:
        for _ in range(3):
            gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
            await trio.sleep(0.01)
        event = await stream.next()
        assert json.loads(event.data) == {"jsonrpc": "2.0", "method": TOOLS_CHANGED}
        assert event.id == "0-1"
        with trio.move_on_after(10) as scope:
            await stream.next()
        assert scope.cancelled_caught


async def test_changes_wait_for_a_stream(gate: Any, autojump_clock: object) -> None:
    session = await gate.open()
    gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
    await trio.sleep(100)
    async with gate.stream("GET", session) as stream:
        assert json.loads((await stream.next()).data)["method"] == TOOLS_CHANGED


async def test_of_several_get_streams_the_newest_gets_the_news(gate: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("GET", session) as old:
        async with gate.stream("GET", session) as new:
            gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
            assert (await new.next()).id == "0-1"
        gate.app.sessions.announce(ListChange(frozenset({"notifications/prompts/list_changed"})))
        event = await old.next()
        assert (event.id, json.loads(event.data)["method"]) == ("0-2", "notifications/prompts/list_changed")


async def test_news_that_got_lost_are_told_again_after_the_last_id(gate: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("GET", session) as stream:
        gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
        await stream.next()
    async with gate.stream("GET", session, last_event_id="0-0") as stream:
        assert (await stream.next()).id == "0-1"


async def test_a_quiet_stream_shows_signs_of_life(gate: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    gate.app.begin(nursery)
    session = await gate.open()
    async with gate.stream("GET", session) as stream:
        await anext(stream.chunks)
        assert (await anext(stream.chunks)).startswith(b":")
        assert trio.current_time() == KEEP_ALIVE_SECONDS_OF_NEWS
    nursery.cancel_scope.cancel()


async def test_a_session_with_an_open_stream_is_not_idle(gate: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(session_idle_seconds=100))
    nursery.start_soon(gate.app.sessions.sweep)
    busy, idle = await gate.open(), await gate.open()
    async with gate.stream("GET", busy):
        await trio.sleep(1000)
        assert len(gate.app.sessions) == 1
        assert gate.app.sessions.find(idle, NOBODY) is None
    await trio.sleep(99)
    assert len(gate.app.sessions) == 1
    await trio.sleep(50)
    assert len(gate.app.sessions) == 0
    nursery.cancel_scope.cancel()


async def test_streams_of_a_session_are_limited(gate: Any, talk: Any) -> None:
    gate.rebuild(limits=Limits(max_streams_per_session=1))
    session = await gate.open()
    async with gate.stream("GET", session):
        again = await gate.http.get("/mcp", headers={"accept": talk.both, "mcp-session-id": session})
        assert again.status_code == 429


async def test_the_caller_is_told_who_answered_if_it_asks(gate: Any, talk: Any, tools: Any) -> None:
    from sluicegate.protocol.calls import Hop
    from sluicegate.protocol.messages import Raw

    async def traced(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        call.trail.hops += [Hop("a", "timeout", 1.0), Hop("b", "ok", 1.0)]
        return Reply(Raw(b'{"content":[],"_meta":{"own":1}}'))

    tools["traced"] = traced
    session = await gate.open()
    silent = await gate.post(talk.calling("traced"), session)
    assert silent.json()["result"] == {"content": [], "_meta": {"own": 1}}
    told = (await gate.post(talk.calling("traced", _meta={"sluicegate/route": True}), session)).json()["result"]["_meta"]
    assert told["own"] == 1
    assert (told["sluicegate/route"]["backend"], told["sluicegate/route"]["attempts"]) == ("b", 2)


async def test_the_caller_is_told_how_old_a_kept_answer_is_if_it_asks_and_nothing_of_one_that_was_not_kept(
    gate: Any, talk: Any, tools: Any
) -> None:
    from sluicegate.protocol.calls import Kept

    async def kept(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        if b"old" in bytes(call.params["_meta"]):
            call.trail.kept, call.trail.given_by = Kept(1.25, 60.0), "b"
        return Reply.saying("x")

    tools["kept"] = kept
    session = await gate.open()
    asked = {"sluicegate/cache": True, "sluicegate/route": True}
    told = [(await gate.post(talk.calling("kept", _meta=asked | more), session)).json()["result"]["_meta"] for more in ({"old": 1}, {})]
    assert [one.get("sluicegate/cache") for one in told] == [{"age": 1.25, "ttl": 60.0}, None]
    assert [one["sluicegate/route"]["backend"] for one in told] == ["b", ""]
    assert "_meta" not in (await gate.post(talk.calling("kept", _meta={"old": 1}), session)).json()["result"]


def test_a_log_keeps_replies_and_drops_the_oldest_notes() -> None:
    log = EventLog(1)
    log.put(b"reply", is_note=False)
    for number in range(MOST_NOTES + 10):
        log.put(b"%d" % number)
    events = log.after(0)
    assert len(events) == MOST_NOTES + 1
    assert events[0] == (1, b"reply")
    assert events[-1] == (MOST_NOTES + 11, b"%d" % (MOST_NOTES + 9))
    assert log.dropped == 10


@pytest.mark.parametrize("text", ["", "1", "-", "1-", "-1", "a-1", "1-b", "1--1", "1-" + "9" * 20, "\u0661-1"])
def test_a_foreign_event_id_is_none_of_ours(text: str) -> None:
    assert read_event_id(text) is None


async def test_a_line_waits_for_news_the_end_or_the_time(autojump_clock: object) -> None:
    gone = trio.Event()

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    downlink = Downlink(receive)
    assert not await downlink.wait(5)
    downlink.ring()
    assert await downlink.wait(5)
    assert trio.current_time() == 5
    assert downlink.is_open
    gone.set()
    assert await downlink.wait()
    assert downlink.lost


@pytest.mark.parametrize("server", ["ours", "another"])
async def test_whoever_reads_a_stream_is_woken_by_all_that_is_put_into_it_and_by_its_end(server: str, autojump_clock: object) -> None:
    log, woken = EventLog(1), list[tuple[float, int, bool]]()
    downlink = log.reader = Downlink(trio.sleep_forever, (lambda _callback: None) if server == "ours" else None)

    async def read() -> None:
        while not log.ended:
            assert await downlink.wait()
            woken.append((trio.current_time(), log.last, log.ended))

    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.sleep(1)
            log.put(b"note")
            await trio.sleep(1)
            log.put(b"reply", is_note=False)
            await trio.sleep(1)
            log.end()
    assert woken == [(1, 1, False), (2, 2, False), (3, 2, True)]


async def test_a_line_of_our_own_server_waits_for_news_the_end_or_the_time(autojump_clock: object) -> None:
    told: list[Callable[[], None]] = []
    downlink = Downlink(trio.sleep_forever, told.append)
    assert not await downlink.wait(5)
    downlink.ring()
    assert await downlink.wait(5)
    assert (trio.current_time(), downlink.is_open) == (5, True)
    (lose,) = told
    lose()
    assert await downlink.wait()
    assert (downlink.lost, trio.current_time()) == (True, 5)
