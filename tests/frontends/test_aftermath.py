"""What comes after: after a stream, an answer, a question or a bug. On the mock clock."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.messages import PING
from tests.kit.unresumed import Unresumed

from sluicegate.frontends.endpoint import Limits, Opening
from sluicegate.frontends.exchange import Exchange
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.sessions import Session
from sluicegate.frontends.stream import Downlink, EventLog
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.routing.directory import ListChange
from sluicegate.sources import Sources

TOOLS_CHANGED, PROMPTS_CHANGED = "notifications/tools/list_changed", "notifications/prompts/list_changed"
PROGRESS = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}'


async def alive(gate: Any, session: str) -> bool:
    """Whether there is still such a session; to ask is use of it."""
    await trio.lowlevel.checkpoint()
    return gate.app.sessions.find(session, NOBODY) is not None


# -- use


@pytest.mark.parametrize(("seconds", "is_there"), [(99.9, True), (100.0, False)])
async def test_a_session_was_in_use_until_the_last_event_of_an_answer(
    seconds: float, is_there: bool, gate: Any, talk: Any, tools: Any, autojump_clock: object
) -> None:
    """And while its client reads slowly, for as long as that takes, although the call has ended."""

    async def flood(call: Call) -> Reply:
        for _ in range(40):
            call.back.note(PROGRESS)
            await trio.sleep(0.01)
        return Reply()

    tools["flood"] = flood
    gate.rebuild(limits=Limits(session_idle_seconds=100))
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("flood")) as stream:
        await stream.next()
        await trio.sleep(500)
        assert gate.app.sessions._sessions[session].calls == {}
        assert await alive(gate, session)
        await trio.sleep(90)
        assert "result" in json.loads((await stream.rest())[-1].data)
    await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(seconds)
    assert await alive(gate, session) is is_there


@pytest.mark.parametrize(("seconds", "is_there"), [(99.9, True), (100.0, False)])
async def test_a_session_was_in_use_until_the_end_of_a_call_without_a_connection(
    seconds: float, is_there: bool, gate: Any, talk: Any, tools: Any, autojump_clock: object
) -> None:
    async def long(call: Call) -> Reply:
        await trio.sleep(50)
        return Reply()

    tools["long"] = long
    gate.rebuild(limits=Limits(session_idle_seconds=100))
    session = await gate.open()
    with trio.move_on_after(1):
        await gate.post(talk.calling("long"), session)
    await trio.sleep_until(51)
    assert gate.app.sessions.orphans == {}
    await trio.sleep_until(50 + seconds)
    assert await alive(gate, session) is is_there


async def test_each_request_is_use_of_its_session(gate: Any, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(session_idle_seconds=100))
    session = await gate.open()
    for _ in range(3):
        await trio.sleep(90)
        assert (await gate.post(PING, session)).status_code == 200


# -- coming back


async def test_who_comes_back_in_time_gets_an_answer_that_takes_longer_than_a_call_may_go_on_alone(
    gate: Any, talk: Any, tools: Any, autojump_clock: object
) -> None:
    async def long(call: Call) -> Reply:
        call.back.note(PROGRESS)
        await trio.sleep(100)
        reply: Reply = talk.result("at last")
        return reply

    tools["long"] = long
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("long")) as stream:
        await stream.next()
    await trio.sleep(50)
    assert len(gate.app.sessions.orphans) == 1
    async with gate.stream("GET", session, last_event_id="1-1") as stream:
        await trio.testing.wait_all_tasks_blocked()
        assert gate.app.sessions.orphans == {}
        assert "at last" in (await stream.rest())[-1].data.decode()
    assert trio.current_time() == 100


async def test_who_comes_back_and_goes_again_has_the_whole_time_again(gate: Any, talk: Any, tools: Any, autojump_clock: object) -> None:
    ended: list[float] = []

    async def endless(call: Call) -> Reply:
        call.back.note(PROGRESS)
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())
        raise AssertionError

    tools["endless"] = endless
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("endless")) as stream:
        await stream.next()
    await trio.sleep(50)
    async with gate.stream("GET", session, last_event_id="1-1"):
        await trio.sleep(50)
    await trio.sleep(100)
    assert ended == [160]


@pytest.mark.parametrize("stream_of", ["call", "session"])
async def test_an_event_that_has_not_come_yet_hides_none_that_will(
    stream_of: str, gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    """A client that claims to have seen more than there was still gets all that comes."""
    session = await gate.open()
    if stream_of == "call":
        async with gate.stream("POST", session, talk.calling("chatty")) as stream:
            await stream.next()
        async with gate.stream("GET", session, last_event_id="1-99") as stream:
            assert [event.id for event in await stream.rest()] == ["1-2", "1-3", "1-4"]
    else:
        async with gate.stream("GET", session, last_event_id="0-99") as stream:
            await trio.testing.wait_all_tasks_blocked()
            gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
            assert (await stream.next()).id == "0-1"


async def test_what_was_announced_when_the_newest_stream_went_is_told_on_the_one_before(gate: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("GET", session) as old:
        async with gate.stream("GET", session):
            await trio.testing.wait_all_tasks_blocked()
            gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
        event = await old.next()
        assert (event.id, trio.current_time() < 1) == ("0-1", True)


async def test_what_another_stream_has_told_is_not_told_again(gate: Any, autojump_clock: object) -> None:
    session = await gate.open()
    async with gate.stream("GET", session) as old:
        async with gate.stream("GET", session) as new:
            gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
            assert (await new.next()).id == "0-1"
        gate.app.sessions.announce(ListChange(frozenset({PROMPTS_CHANGED})))
        assert (await old.next()).id == "0-2"
    async with gate.stream("GET", session) as again:
        gate.app.sessions.announce(ListChange(frozenset({TOOLS_CHANGED})))
        assert (await again.next()).id == "0-3"


async def test_an_answer_that_is_kept_holds_neither_its_request_nor_its_connection(gate: Any, talk: Any, autojump_clock: object) -> None:
    """What it holds counts by what it says, and that is all that counts."""
    session = await gate.open("2025-03-26")
    async with gate.stream("POST", session, [talk.calling("echo", 1), talk.calling("chatty", 2)]) as stream:
        await stream.next()
        await stream.next()
    await trio.sleep(10)
    (answer,) = gate.app.sessions.find(session, NOBODY).answers.values()
    assert (answer._replies, answer._exchanges, answer.log.reader) == ([], [], None)
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, Exchange | Downlink)] == []


async def test_a_call_leaves_no_circle_behind_that_only_the_garbage_collector_could_open(gate: Any, talk: Any) -> None:
    """Which would cost 4 us a call, and in a large gateway long pauses."""
    session = await gate.open()
    gc.collect()
    others = [one for one in gc.get_objects() if isinstance(one, Exchange | Call)]  # of other tests in this process
    gc.disable()
    try:
        for name in ("echo", "nobody"):
            await gate.post(talk.calling(name), session)
        await trio.testing.wait_all_tasks_blocked()
        assert [one for one in gc.get_objects() if isinstance(one, Exchange | Call) and one not in others] == []
    finally:
        gc.enable()


# -- what is kept


class House:
    """A table, and answers that nobody has fetched."""

    def __init__(self) -> None:
        self.table = SessionTable(Limits(orphan_seconds=60), Sources.seeded(1))
        session = self.table.open(Opening("2025-11-25", {}), Principal("a"))
        assert isinstance(session, Session)
        self.session = session

    def finished(self, size: int = 10) -> EventLog:
        log = self.session.open_stream(Unresumed())
        log.put(bytes(size), is_note=False)
        log.end()
        return log


async def test_an_answer_that_is_kept_again_counts_once_and_is_the_newest(nursery: trio.Nursery, autojump_clock: object) -> None:
    home = House()
    one, other = home.finished(), home.finished()
    for log in (one, other, one):
        home.table.keep(home.session, log)
        await trio.sleep(20)
    owner = home.session.owner
    assert (home.table._kept_bytes, owner.kept_bytes) == (2 * (10 + 2048),) * 2
    assert (list(home.table._kept), list(owner.kept)) == ([other, one], [other, one])
    nursery.start_soon(home.table.sweep)
    await trio.sleep_until(121)  # looked at in the 120th second
    assert list(home.table._kept) == []
    home.table.drop(home.session, one)
    assert (home.table._kept_bytes, owner.kept_bytes, home.session.answers, home.session.kept) == (0, 0, {}, {})
    nursery.cancel_scope.cancel()


async def test_what_is_kept_goes_with_its_session(autojump_clock: object) -> None:
    home = House()
    for _ in range(3):
        home.table.keep(home.session, home.finished())
    home.table.end(home.session)
    assert (home.table._kept_bytes, home.table._kept, home.session.answers) == (0, {}, {})
    home.table.end(home.session)
    await trio.lowlevel.checkpoint()


def test_an_answered_question_among_very_many_notes_takes_its_place_among_them() -> None:
    log = EventLog(1)
    log.put(b"question", is_note=False)
    for number in range(256):
        log.put(b"%d" % number)
    log.make_note(1)
    assert ([number for number, _data in log.after(0)], log.dropped) == ([*range(2, 258)], 1)
    log.make_note(1)
    assert len(log.after(0)) == 256


# -- bugs


async def test_a_level_that_could_not_be_set_is_not_set(gate: Any, autojump_clock: object) -> None:
    """A bug of ours or of a program's own layer is no success."""

    async def buggy(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        raise RuntimeError(call.method)

    session = await gate.open()
    gate.endpoint.own = {"logging/setLevel": buggy}
    answer = await gate.post({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "error"}}, session)
    assert answer.json()["error"]["code"] == -32603
    assert gate.app.sessions.find(session, NOBODY).quietest == 0


async def test_a_session_whose_opening_met_a_bug_is_none(gate: Any, talk: Any, autojump_clock: object) -> None:
    async def settled() -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError

    gate.endpoint.settled = settled
    answer = await gate.post(talk.opening())
    assert (answer.json()["error"]["code"], len(gate.app.sessions)) == (-32603, 0)


# -- connections


async def test_what_a_server_tells_before_it_tells_that_a_client_has_gone_means_nothing(autojump_clock: object) -> None:
    events: list[str] = ["http.request", "http.request", "http.disconnect"]

    async def receive() -> dict[str, object]:
        await trio.sleep(1)
        return {"type": events.pop(0)}

    downlink = Downlink(receive)
    assert await downlink.wait()
    assert (trio.current_time(), downlink.lost, events) == (3, True, [])


async def test_a_client_that_has_gone_before_anybody_waits_is_noticed_at_once(autojump_clock: object) -> None:
    def gone_already(tell: Callable[[], None]) -> None:
        tell()

    downlink = Downlink(trio.sleep_forever, gone_already)
    assert await downlink.wait(100)
    assert (trio.current_time(), downlink.lost, downlink.is_open) == (0, True, False)


async def test_a_connection_is_asked_once_to_say_when_it_ends(autojump_clock: object) -> None:
    asked: list[Callable[[], None]] = []
    downlink = Downlink(trio.sleep_forever, asked.append)
    assert [await downlink.wait(1) for _ in range(3)] == [False] * 3
    assert len(asked) == 1
