"""Clients that are slow, greedy or confused, over HTTP: each costs itself something and nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.messages import PING

from sluicegate.frontends.endpoint import Limits
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.principal import NOBODY
from sluicegate.routing.directory import ListChange

# The numbers that are promised. Taken from the source they would move with it.
MOST_MEMBERS = 256

TOOLS_CHANGED = "notifications/tools/list_changed"


@pytest.mark.parametrize("requested", [b"1e999", b"-1e999", b"[" * 400 + b"]" * 400, b"1.5", b"true", b"{}"])
async def test_a_cancel_of_something_that_is_no_id_is_accepted(gate: Any, requested: bytes) -> None:
    session = await gate.open()
    answer = await gate.post(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%b}}' % requested, session)
    assert answer.status_code == 202


async def test_a_cancel_that_names_nothing_does_not_end_the_call_with_the_empty_id(
    gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object
) -> None:
    session = await gate.open()
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await gate.post(talk.calling("slow", ""), session))

    nursery.start_soon(call)
    await trio.sleep(1)
    await gate.post({"jsonrpc": "2.0", "method": "notifications/cancelled"}, session)
    await trio.sleep(5)
    assert "result" in answers[0].json()


async def test_a_huge_batch_is_refused_as_a_whole(gate: Any) -> None:
    gate.rebuild(limits=Limits())
    session = await gate.open("2025-03-26")
    answer = await gate.post(b"[" + b"1," * MOST_MEMBERS + b"1]", session)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    assert len(answer.content) < 1000
    answer = await gate.post(b"[" + b"1," * (MOST_MEMBERS - 1) + b"1]", session)
    assert len(answer.json()) == MOST_MEMBERS


async def test_huge_capabilities_open_no_session(gate: Any, talk: Any) -> None:
    gate.rebuild(limits=Limits())
    opening = talk.opening()
    opening["params"]["capabilities"] = {f"capability-{number}": {} for number in range(10_000)}
    answer = await gate.post(opening)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
    assert len(gate.app.sessions) == 0


async def test_a_client_that_has_seen_more_than_there_was_still_gets_its_reply(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty")) as stream:
        await stream.next()
    with trio.fail_after(100):
        async with gate.stream("GET", session, last_event_id="1-99") as stream:
            assert [json.loads(event.data).get("id") for event in await stream.rest()][-1] == 1


async def test_a_finished_answer_that_waits_to_be_fetched_does_not_keep_its_request(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty")) as stream:
        await stream.next()
    await trio.sleep(10)
    (answer,) = gate.app.sessions.find(session, NOBODY).answers.values()
    assert answer.log.ended
    assert not answer._exchanges


async def test_running_calls_do_not_use_up_the_streams(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_streams_per_session=1))
    session = await gate.open()
    for number in range(3):
        nursery.start_soon(gate.post, talk.calling("slow", number), session)
    await trio.sleep(1)
    async with gate.stream("GET", session) as stream:
        assert stream.response.status_code == 200


async def test_news_go_on_one_stream_only_when_a_second_one_opens(gate: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    seen: list[str] = []

    async def listen(name: str) -> None:
        async with gate.stream("GET", session) as stream:
            while True:
                await stream.next()
                seen.append(name)

    nursery.start_soon(listen, "old")
    await trio.sleep(1)
    gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
    await trio.sleep(0.05)
    nursery.start_soon(listen, "new")
    await trio.sleep(5)
    assert seen == ["new"]
    nursery.cancel_scope.cancel()


async def test_an_idle_session_makes_room_although_an_older_one_is_in_use(
    gate: Any, talk: Any, nursery: trio.Nursery, tools: Any, autojump_clock: object
) -> None:
    async def long(call: Call) -> Reply:
        await trio.sleep(90)
        return Reply()

    tools["long"] = long
    gate.rebuild(limits=Limits(max_sessions=2, session_idle_seconds=100))
    used = await gate.open()
    nursery.start_soon(gate.post, talk.calling("long"), used)
    await trio.sleep(1)
    idle = await gate.open()
    await trio.sleep(120)
    assert (await gate.post(talk.opening())).status_code == 200
    assert (await gate.post(PING, idle)).status_code == 404
    assert (await gate.post(PING, used)).status_code == 200


async def test_a_request_whose_body_arrives_when_the_drain_is_over_is_refused(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    body = json.dumps(talk.calling("echo")).encode()
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"mcp-session-id", session.encode())]
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        await trio.sleep(5)
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message)

    async with trio.open_nursery() as connections, trio.open_nursery() as calls:
        gate.endpoint.calls = calls
        connections.start_soon(gate.app, {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}, receive, send)
        await trio.sleep(1)
        gate.app.drain()
    assert sent[0]["status"] == 503
    assert not gate.app.sessions.find(session, NOBODY).calls


async def test_resuming_and_losing_a_kept_answer_again_and_again_keeps_it_once(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty")) as stream:
        await stream.next()
    await trio.sleep(10)
    table = gate.app.sessions
    size = table._kept_bytes
    answer = next(iter(table.find(session, NOBODY).answers.values()))
    for _ in range(3):
        table.keep(table.find(session, NOBODY), answer.log)
    assert table._kept_bytes == size
    async with gate.stream("GET", session, last_event_id="1-1") as stream:
        await stream.rest()
    await trio.testing.wait_all_tasks_blocked()
    assert table._kept_bytes == 0


async def test_a_session_keeps_so_many_finished_answers_and_none_after_its_end(gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(max_streams_per_session=2))
    session = await gate.open()
    for number in range(3):
        async with gate.stream("POST", session, talk.calling("chatty", number)) as stream:
            await stream.next()
        await trio.sleep(10)
    headers = {"accept": talk.both, "mcp-session-id": session, "last-event-id": "1-0"}
    assert (await gate.http.get("/mcp", headers=headers)).status_code == 400
    assert (await gate.http.get("/mcp", headers=headers | {"last-event-id": "2-0"})).status_code == 200
    assert gate.app.sessions._kept_bytes > 0
    await gate.http.delete("/mcp", headers={"mcp-session-id": session})
    assert gate.app.sessions._kept_bytes == 0


async def test_a_batch_may_cancel_what_it_asked_before(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open("2025-03-26")
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    answer = await gate.post([talk.calling("slow", 1), cancel, talk.calling("echo", 2)], session)
    assert {reply["id"]: "error" in reply for reply in answer.json()} == {1: True, 2: False}
    assert trio.current_time() < 1
