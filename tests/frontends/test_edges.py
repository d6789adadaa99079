"""Bounds of a frontend at their edges, and what comes after a refusal. In memory, on the mock clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.frontends.endpoint import Limits, Opening
from sluicegate.frontends.exchange import Exchange
from sluicegate.frontends.large_events import LargeEvents
from sluicegate.frontends.request import BodyTooLarge, ClientGone, HttpRequest
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.sessions import Session
from sluicegate.frontends.stream import Downlink, EventLog, read_event_id
from sluicegate.http1.asgi import Receive
from sluicegate.http1.fair_turns import FairTurns
from sluicegate.protocol.calls import Call
from sluicegate.protocol.principal import Principal
from sluicegate.sources import Sources

# The numbers that are promised. Taken from the source they would move with it.
LARGEST = 1024 * 1024
DROPPED = 4
MOST_NOTE_BYTES = 1024 * 1024

LIMIT = 100


async def nobody(_message: object) -> None:
    await trio.lowlevel.checkpoint()


def body_of(*parts: bytes) -> tuple[Receive, list[bytes]]:
    """A body in these parts, and those of them that were not read."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive, left


def request(receive: Receive, *headers: tuple[bytes, bytes]) -> HttpRequest:
    return HttpRequest({"type": "http", "method": "POST", "path": "/mcp", "headers": list(headers)}, receive, nobody)


@pytest.mark.parametrize("parts", [[b"x" * LIMIT], [b"x"] * LIMIT, [b"x" * (LIMIT - 1), b"", b"x"]])
async def test_a_body_of_just_the_limit_is_taken(parts: list[bytes]) -> None:
    receive, _ = body_of(*parts)
    assert await request(receive).read_body(LIMIT, FairTurns()) == b"x" * LIMIT


@pytest.mark.parametrize("parts", [[b"x" * (LIMIT + 1)], [b"x"] * (LIMIT + 1)])
async def test_a_body_of_a_byte_more_is_read_and_refused(parts: list[bytes]) -> None:
    receive, left = body_of(*parts)
    with pytest.raises(BodyTooLarge):
        await request(receive).read_body(LIMIT, FairTurns())
    assert left == []


async def test_half_a_body_is_none() -> None:
    """Whoever goes before the end has asked for nothing, although what came may be a whole message."""
    heard = count()

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": b"{}", "more_body": True} if next(heard) == 0 else {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await request(receive).read_body(LIMIT, FairTurns())


async def test_of_a_body_without_end_no_more_is_read_than_is_dropped() -> None:
    receive, left = body_of(*[b"x" * LIMIT] * 1000)
    with pytest.raises(BodyTooLarge):
        await request(receive).read_body(LIMIT, FairTurns())
    assert 1000 - len(left) == DROPPED + 1


@pytest.mark.parametrize(
    ("announced", "expects", "is_read"),
    [(LIMIT * DROPPED, False, True), (LIMIT * DROPPED + 1, False, False), (LIMIT, True, True), (LIMIT + 1, True, False)],
)
async def test_a_body_that_is_announced_as_too_long_is_not_read(announced: int, expects: bool, is_read: bool) -> None:
    """Whoever waits for a word before it sends hears of it sooner."""
    receive, left = body_of(b"x")
    headers = [(b"content-length", b"%d" % announced)] + [(b"expect", b"100-continue")] * expects
    try:
        await request(receive, *headers).read_body(LIMIT, FairTurns())
    except BodyTooLarge:
        assert not is_read
    assert (left == []) is is_read


@pytest.mark.parametrize(
    ("idle", "orphan", "ended_at"), [(1800.0, 60.0, 1860.0), (400.0, 300.0, 420.0), (40.0, 60.0, 50.0), (40.0, 8.0, 48.0)]
)
async def test_idle_sessions_are_looked_for_each_minute_or_sooner(
    idle: float, orphan: float, ended_at: float, gate: Any, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A quarter of their time, the time of an orphan, or a minute: what is shortest."""
    gate.rebuild(limits=Limits(session_idle_seconds=idle, orphan_seconds=orphan))
    nursery.start_soon(gate.app.sessions.sweep)
    await trio.sleep(0.5)
    await gate.open()
    await trio.sleep_until(ended_at - 0.1)
    assert len(gate.app.sessions) == 1
    await trio.sleep_until(ended_at + 0.1)
    assert len(gate.app.sessions) == 0
    nursery.cancel_scope.cancel()


async def test_after_a_refusal_nothing_else_is_said(gate: Any, autojump_clock: trio.testing.MockClock) -> None:
    """A stream that the client does not take is neither opened nor counted."""
    session = await gate.open()
    with trio.fail_after(1):
        answer = await gate.http.get("/mcp", headers={"mcp-session-id": session, "accept": "application/json"})
    assert (answer.status_code, "accept text/event-stream" in answer.text) == (406, True)
    assert len(gate.app.sessions._sessions[session].streams) == 0


async def test_who_asks_for_the_route_gets_it_and_nobody_else(gate: Any, talk: Any, tools: Any) -> None:
    from sluicegate.protocol.calls import Hop, Reply

    async def traced(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        call.trail.hops += [Hop("a", "ok", 1.0)]
        done: Reply = talk.result("done")
        return done

    tools["traced"] = traced
    session = await gate.open()
    asked = [{"sluicegate/route": True}, {"sluicegate/route": False}, {"sluicegate/route": 1}, {"x": "sluicegate/route"}, {}]
    told = [(await gate.post(talk.calling("traced", _meta=meta), session)).json()["result"] for meta in asked]
    assert ["_meta" in result for result in told] == [True, False, False, False, False]
    as_php = json.dumps(talk.calling("traced", _meta=asked[0])).replace("/", "\\/").encode()
    assert "_meta" in (await gate.post(as_php, session)).json()["result"]


@pytest.mark.parametrize(("seconds", "is_there"), [(99.9, True), (100.0, False)])
async def test_an_idle_session_is_over_though_nobody_has_looked_for_it_yet(
    seconds: float, is_there: bool, gate: Any, autojump_clock: trio.testing.MockClock
) -> None:
    gate.rebuild(limits=Limits(session_idle_seconds=100))
    session = await gate.open()
    await trio.sleep(seconds)
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await gate.post(ping, session)).status_code == (200 if is_there else 404)
    assert len(gate.app.sessions) == is_there
    await trio.sleep(50)
    assert (await gate.post(ping, session)).status_code == (200 if is_there else 404)


async def test_a_session_in_which_something_is_open_is_not_idle_when_it_is_asked(gate: Any, autojump_clock: trio.testing.MockClock) -> None:
    gate.rebuild(limits=Limits(session_idle_seconds=100))
    session = await gate.open()
    async with gate.stream("GET", session):
        await trio.sleep(1000)
        assert (await gate.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, session)).status_code == 200


@pytest.mark.parametrize(("max_sessions", "share", "status"), [(2, 10, 503), (10, 2, 429)])
async def test_who_finds_no_place_is_told_when_to_come_back(
    max_sessions: int, share: int, status: int, gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    gate.rebuild(limits=Limits(max_sessions=max_sessions, max_sessions_per_principal=share))
    async with gate.stream("GET", await gate.open()), gate.stream("GET", await gate.open()):
        refused = await gate.post(talk.opening(id="me"))
        assert (refused.status_code, refused.json()["id"], refused.headers.get("mcp-session-id")) == (status, "me", None)
        assert refused.json()["error"]["code"] == -32600
        assert int(refused.headers["retry-after"]) > 0
    assert gate.refusals[-1][0] == status


@pytest.mark.parametrize(("most", "open_before", "status"), [(2, 1, 200), (2, 2, 429)])
async def test_a_session_has_so_many_streams_and_no_more(
    most: int, open_before: int, status: int, gate: Any, autojump_clock: trio.testing.MockClock
) -> None:
    gate.rebuild(limits=Limits(max_streams_per_session=most))
    session = await gate.open()
    async with AsyncExitStack() as streams:
        for _ in range(open_before):
            await streams.enter_async_context(gate.stream("GET", session))
        another = await streams.enter_async_context(gate.stream("GET", session))
        assert another.response.status_code == status
    await trio.testing.wait_all_tasks_blocked()
    async with gate.stream("GET", session) as later:
        assert later.response.status_code == 200


@pytest.mark.parametrize(("most", "refused"), [(2, 1), (3, 0)])
async def test_a_session_has_so_many_calls_and_no_more(
    most: int, refused: int, gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    gate.rebuild(limits=Limits(max_calls_per_session=most))
    session = await gate.open()
    answers: list[Any] = []

    async def call(number: int) -> None:
        answers.append((await gate.post(talk.calling("slow", number), session)).json())

    for number in range(3):
        nursery.start_soon(call, number)
        await trio.testing.wait_all_tasks_blocked()
    assert [answer["id"] for answer in answers] == [2] * refused
    await trio.sleep(10)
    assert ["error" in answer for answer in answers] == [True] * refused + [False] * (3 - refused)
    assert (await gate.post(talk.calling("echo", 0), session)).json()["result"]


async def test_what_was_read_to_its_end_after_it_was_lost_is_not_kept(gate: Any, talk: Any, autojump_clock: trio.testing.MockClock) -> None:
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("chatty", 9)) as stream:
        await stream.next()
    await trio.sleep(0.5)
    async with gate.stream("GET", session, last_event_id="1-1") as stream:
        assert json.loads((await stream.rest())[-1].data)["id"] == 9
    await trio.testing.wait_all_tasks_blocked()
    table = gate.app.sessions
    assert (table._sessions[session].answers, table._kept, table._kept_bytes, table.orphans) == ({}, {}, 0, {})


@pytest.mark.parametrize(("size", "kept"), [(MOST_NOTE_BYTES // 4, 4), (MOST_NOTE_BYTES // 4 + 1, 3), (2 * MOST_NOTE_BYTES, 1)])
def test_notes_that_wait_are_bounded_in_bytes_and_the_newest_one_stays(size: int, kept: int) -> None:
    log = EventLog(1)
    log.put(b"r" * 3 * MOST_NOTE_BYTES, is_note=False)
    for _ in range(4):
        log.put(b"x" * size)
    assert [number for number, _ in log.after(0)] == [1, *range(6 - kept, 6)]
    assert (log.size, log.dropped) == (3 * MOST_NOTE_BYTES + kept * size, 4 - kept)


def test_what_is_asked_for_after_an_event_begins_with_the_next_one() -> None:
    log = EventLog(7)
    for number in range(3):
        log.put(b"%d" % number)
    assert [log.after(number) for number in (0, 2, 3, 4)] == [[(1, b"0"), (2, b"1"), (3, b"2")], [(3, b"2")], [], []]
    assert [read_event_id(log.event_id(number)) for number in (0, 3)] == [(7, 0), (7, 3)]
    digits = "9" * 15
    assert read_event_id(f"1-{digits}") == (1, int(digits))
    assert read_event_id(f"1-{digits}9") is None


@pytest.mark.parametrize(("size", "names", "is_told"), [(LARGEST, ["a"], []), (LARGEST + 1, ["a", "b", "a"], ["a", "b"])])
def test_a_tool_whose_answers_some_clients_refuse_is_named_once(
    size: int, names: list[str], is_told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    large = LargeEvents()
    for name in names:
        call = Exchange(
            b"1",
            Call("tools/call", name, {}),
            SimpleNamespace(ask=None),
            SimpleNamespace(note=None, ask=None, begin=None, reply=None),
            lambda: None,
            True,
        )
        large.look(size, [call])
    assert [vars(record)["target"] for record in caplog.records] == is_told


@pytest.mark.parametrize(("most", "alone", "beside"), [(8, 4, 2), (7, 4, 2), (3, 2, 1), (1, 1, 0)])
async def test_of_the_connections_for_streams_one_has_half_and_the_next_half_of_the_rest(most: int, alone: int, beside: int) -> None:
    table = SessionTable(Limits(max_streams=most), Sources.seeded(1))
    for who, share in (("one", alone), ("other", beside)):
        session = table.open(Opening("2025-11-25", {}), Principal(who))
        assert isinstance(session, Session)
        taken = 0
        while table.may_stream(session.owner):
            table.begin_stream(session, Downlink(trio.sleep_forever))
            taken += 1
        assert taken == share
    for session in table._sessions.values():
        for downlink in list(session.streams):
            table.end_stream(session, downlink)
        assert (session.owner.streams, session.downlinks) == (0, set())
    assert table.owners.streams == 0
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("server", ["ours", "another"])
@pytest.mark.parametrize("end", [Downlink.hang_up, Downlink.lose])
async def test_whoever_waits_is_woken_when_its_line_ends(
    end: Callable[[Downlink], None], server: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    downlink, woken = Downlink(trio.sleep_forever, (lambda _callback: None) if server == "ours" else None), list[tuple[bool, float]]()

    async def wait() -> None:
        woken.append((await downlink.wait(100), trio.current_time()))

    nursery.start_soon(wait)
    await trio.sleep(1)
    end(downlink)
    await trio.sleep(200)
    assert (woken, downlink.is_open) == ([(True, 1.0)], False)
