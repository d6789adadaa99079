"""Calls that take long: their answers begin as streams before there is anything to say, and their clients can come back for the rest."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import attrs
import pytest
import trio

from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.principal import NOBODY
from sluicegate.waiting.overdue import Overdue

# The numbers that are promised. Taken from the source they would move with it.
PATIENCE = 2.0
KEEP_ALIVE = 15.0
RETRY_MS = 1000

NEW = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.fixture
async def slow(gate: Any, talk: Any, tools: Any) -> AsyncGenerator[Any, None]:
    """The gate with its timer, and a tool ``after`` that takes as many seconds as it is asked to."""

    async def after(call: Call) -> Reply:
        await trio.sleep(json.loads(bytes(call.params["arguments"]))["seconds"])
        return talk.result("at last")  # type: ignore[no-any-return]

    tools["after"] = after
    async with trio.open_nursery() as nursery:
        gate.endpoint.waits.begin(nursery)
        yield gate
        await trio.testing.wait_all_tasks_blocked()
        assert len(gate.endpoint.waits.answers) == 0
        nursery.cancel_scope.cancel()


def taking(seconds: float, id: object = 1, **members: Any) -> dict[str, object]:
    params = {"name": "after", "arguments": {"seconds": seconds}} | members
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


def lone(seconds: float) -> tuple[dict[str, object], dict[str, str]]:
    """A request that belongs to no session, with its headers."""
    headers = {"mcp_protocol_version": NEW, "mcp_method": "tools/call", "mcp_name": "after"}
    return taking(seconds, _meta=META), headers


async def test_after_two_seconds_of_silence_the_answer_begins_and_shows_signs_of_life(slow: Any, autojump_clock: object) -> None:
    session = await slow.open()
    async with slow.stream("POST", session, taking(40, "x")) as stream:
        assert trio.current_time() == PATIENCE
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert await anext(stream.chunks) == b"id: 1-0\nretry: %d\ndata: \n\n" % RETRY_MS
        for number in (1, 2):
            assert (await anext(stream.chunks)).startswith(b":")
            assert trio.current_time() == PATIENCE + number * KEEP_ALIVE
        (event,) = await stream.rest()
    assert (event.id, json.loads(event.data)["id"], trio.current_time()) == ("1-1", "x", 40)


async def test_who_is_lost_before_the_first_event_comes_back_for_the_answer(slow: Any, autojump_clock: object) -> None:
    session = await slow.open()
    async with slow.stream("POST", session, taking(9)) as stream:
        assert (await anext(stream.chunks)).startswith(b"id: 1-0\n")
    await trio.sleep(3)
    async with slow.stream("GET", session, last_event_id="1-0") as again:
        assert (await anext(again.chunks)).startswith(b"id: 1-0\nretry: ")
        (event,) = await again.rest()
    assert (event.id, json.loads(event.data)["result"]["content"][0]["text"]) == ("1-1", "at last")
    assert trio.current_time() == 9


async def test_who_comes_back_too_late_for_the_end_gets_it_all_the_same(slow: Any, autojump_clock: object) -> None:
    session = await slow.open()
    async with slow.stream("POST", session, taking(5)) as stream:
        await anext(stream.chunks)
    await trio.sleep(20)
    async with slow.stream("GET", session, last_event_id="1-0") as again:
        assert [event.id for event in await again.rest()] == ["1-1"]


async def test_what_is_there_in_time_is_plain_json(slow: Any, autojump_clock: object) -> None:
    session = await slow.open()
    assert (await slow.post(taking(1.9), session)).headers["content-type"] == "application/json"


async def test_a_client_that_takes_json_only_waits_for_it(slow: Any, autojump_clock: object) -> None:
    session = await slow.open()
    answer = await slow.post(taking(100), session, accept="application/json")
    assert answer.json()["result"]["content"][0]["text"] == "at last"


async def test_a_client_that_knows_no_empty_events_gets_a_comment(slow: Any, autojump_clock: object) -> None:
    session = await slow.open("2025-06-18")
    async with slow.stream("POST", session, taking(5)) as stream:
        assert (await anext(stream.chunks)).startswith(b": ")
        assert len(await stream.rest()) == 1


async def test_an_answer_that_is_to_be_whole_stays_so_however_long_it_takes(
    slow: Any, tools: Any, talk: Any, autojump_clock: object
) -> None:
    async def whole(call: Call) -> Reply:
        call.trail.whole = True
        await trio.sleep(60)
        return talk.result("all of it")  # type: ignore[no-any-return]

    tools["whole"] = whole
    session = await slow.open()
    assert (await slow.post(talk.calling("whole"), session)).headers["content-type"] == "application/json"
    body = talk.calling("whole", _meta=META)
    answer = await slow.post(body, mcp_protocol_version=NEW, mcp_method="tools/call", mcp_name="whole")
    assert answer.headers["content-type"] == "application/json"
    assert trio.current_time() == 120


async def test_what_a_batch_has_already_is_told_when_the_rest_takes_long(slow: Any, autojump_clock: object) -> None:
    session = await slow.open("2025-03-26")
    async with slow.stream("POST", session, [taking(1, 1), taking(6, 2)]) as stream:
        assert trio.current_time() == PATIENCE
        assert json.loads((await stream.next()).data)["id"] == 1
        assert trio.current_time() == PATIENCE
        assert [json.loads(event.data)["id"] for event in await stream.rest()] == [2]


async def test_a_call_that_fails_after_its_answer_has_begun_says_so_in_an_event(slow: Any, tools: Any, autojump_clock: object) -> None:
    async def breaks(_call: Call) -> Reply:
        await trio.sleep(4)
        raise RuntimeError("a bug")

    tools["after"] = breaks
    session = await slow.open()
    (event,) = await _events_of(slow, session)
    assert json.loads(event.data)["error"]["code"] == -32603


async def test_a_client_that_was_lost_in_silence_leaves_nothing_to_begin(slow: Any, autojump_clock: object) -> None:
    session = await slow.open()
    with trio.move_on_after(1):
        await slow.post(taking(10), session)
    await trio.testing.wait_all_tasks_blocked()
    assert len(slow.endpoint.waits.answers) == 0
    await trio.sleep(20)
    assert not slow.app.sessions.find(session, NOBODY).answers


async def test_a_request_without_a_session_gets_comments_and_no_ids(slow: Any, autojump_clock: object) -> None:
    body, headers = lone(20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with slow.stream("POST", "", body, **sent) as stream:
        assert trio.current_time() == PATIENCE
        whole = b"".join([chunk async for chunk in stream.chunks])
    assert whole.startswith(b": ")
    assert whole.count(b"\n: ") == 1
    assert b"id: " not in whole
    assert b"retry" not in whole
    assert b"at last" in whole


@pytest.mark.parametrize(("seconds", "accept"), [(1.9, ""), (50, "application/json")])
async def test_a_request_without_a_session_is_answered_with_json_where_that_is_in_time_or_wanted(
    slow: Any, seconds: float, accept: str, autojump_clock: object
) -> None:
    body, headers = lone(seconds)
    answer = await slow.post(body, **headers, **({"accept": accept} if accept else {}))
    assert answer.json()["result"]["content"][0]["text"] == "at last"


async def test_who_closes_a_stream_that_has_begun_takes_a_request_without_a_session_back(
    slow: Any, tools: Any, autojump_clock: object
) -> None:
    ends: list[float] = []

    async def endless(_call: Call) -> Reply:
        try:
            await trio.sleep_forever()
        finally:
            ends.append(trio.current_time())
        raise AssertionError

    tools["after"] = endless
    body, headers = lone(1)
    with trio.move_on_after(7):
        async with slow.stream("POST", "", body, **{name.replace("_", "-"): value for name, value in headers.items()}) as stream:
            await stream.rest()
    await trio.testing.wait_all_tasks_blocked()
    assert ends == [7]


async def _events_of(slow: Any, session: str) -> list[Any]:
    async with slow.stream("POST", session, taking(5)) as stream:
        return list(await stream.rest())


# -- the timer


@attrs.define(eq=False)
class Noted:
    """An answer that notes when it was begun."""

    begun: list[float]

    def begin_stream(self) -> None:
        self.begun.append(trio.current_time())


async def test_the_timer_wakes_once_in_two_seconds_however_many_calls_are_answered(nursery: trio.Nursery, autojump_clock: object) -> None:
    timer, begun = Overdue(PATIENCE, Noted.begin_stream), list[float]()
    nursery.start_soon(timer.run)
    for _ in range(1000):
        answer = Noted(begun)
        timer.expect(answer)
        await trio.sleep(0.01)
        timer.forget(answer)
    assert (begun, len(timer)) == ([], 0)
    assert 1 <= timer.woken <= 6
    await trio.sleep(1000)
    assert timer.woken <= 7
    nursery.cancel_scope.cancel()


async def test_each_answer_is_begun_at_its_own_time(nursery: trio.Nursery, autojump_clock: object) -> None:
    timer, begun = Overdue(PATIENCE, Noted.begin_stream), list[float]()
    nursery.start_soon(timer.run)
    for _ in range(5):
        timer.expect(Noted(begun))
        await trio.sleep(0.7)
    await trio.sleep(10)
    assert begun == [pytest.approx(number * 0.7 + PATIENCE) for number in range(5)]
    nursery.cancel_scope.cancel()


async def test_very_many_overdue_answers_are_begun_a_few_at_a_time(nursery: trio.Nursery, autojump_clock: object) -> None:
    timer, begun = Overdue(PATIENCE, Noted.begin_stream), list[float]()
    nursery.start_soon(timer.run)
    for _ in range(10_000):
        timer.expect(Noted(begun))
    await trio.sleep(10)
    assert len(begun) == 10_000
    assert max(begun.count(when) for when in set(begun)) <= 64
    assert max(begun) <= PATIENCE + 1
    nursery.cancel_scope.cancel()


async def test_a_timer_that_was_cut_begins_again(nursery: trio.Nursery, autojump_clock: object) -> None:
    timer, begun = Overdue(PATIENCE, Noted.begin_stream), list[float]()
    for _ in range(2):
        with trio.move_on_after(0.5):
            await timer.run()
    timer.expect(Noted(begun))
    nursery.start_soon(timer.run)
    await trio.sleep(5)
    assert begun == [1 + PATIENCE]
    nursery.cancel_scope.cancel()
