"""Who gets a place when there are few: sessions, large requests, and what is kept for those who may come back."""

from __future__ import annotations

import gc
import json
import tracemalloc
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.messages import PING
from tests.kit.unresumed import Unresumed

from sluicegate.frontends.endpoint import Limits, Opening
from sluicegate.frontends.owners import NoPlace, Owner
from sluicegate.frontends.request import HttpRequest
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.sessions import Session
from sluicegate.frontends.stream import Downlink
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Notification
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.sources import Sources

# The numbers that are promised. Taken from the source they would move with it.
LARGEST_CAPABILITIES = 64 * 1024
MOST_KEPT = 2048
HANDSHAKE_SECONDS = 10.0
MOST_KEPT_BYTES = 64 * 1024 * 1024
MOST_OPEN_BYTES = 256 * 1024 * 1024
PART = 4

INITIALIZED = Notification("notifications/initialized", {})


@attrs.define(eq=False)
class House:
    """A table with few places."""

    table: SessionTable

    def open(self, who: str, *, ready: bool = True) -> Session:
        session = self.ask(who)
        assert isinstance(session, Session)
        if ready:
            session.settle()
        return session

    def ask(self, who: str) -> Session | NoPlace:
        return self.table.open(Opening("2025-11-25", {}), Principal(who))

    def has(self, session: Session) -> bool:
        """Whether it is still there; to ask is no use of it."""
        return self.table._sessions.get(session.id) is session


def house(most: int, share: int | None = None) -> House:
    return House(SessionTable(Limits(max_sessions=most, max_sessions_per_principal=share), Sources.seeded(1)))


def stay(session: Session) -> None:
    """Something is open in it."""
    session.downlinks.add(Downlink(trio.sleep_forever))


async def test_a_full_house_lets_the_longest_unused_go_that_has_nothing_open(autojump_clock: object) -> None:
    home = house(3)
    streams, idle, used = home.open("a"), home.open("a"), home.open("a")
    stay(streams)
    await trio.sleep(1)
    assert home.table.find(used.id, Principal("a")) is used
    newest = home.open("a")
    assert [home.has(session) for session in (streams, idle, used, newest)] == [True, False, True, True]


async def test_a_house_in_which_everybody_is_at_work_says_so(autojump_clock: object) -> None:
    home = house(2)
    for _ in range(2):
        stay(home.open("a"))
    assert home.ask("b") == NoPlace(503, "there are too many sessions, and all of them are in use")


async def test_who_never_finished_the_handshake_goes_first_after_a_while(autojump_clock: object) -> None:
    home = house(3)
    worker = home.open("a")
    await trio.sleep(HANDSHAKE_SECONDS)
    fresh = home.open("b", ready=False)
    home.open("c")
    await trio.sleep(HANDSHAKE_SECONDS - 1)
    assert home.has(fresh)
    await trio.sleep(HANDSHAKE_SECONDS)
    home.open("d")
    assert home.has(worker)
    assert not home.has(fresh)


async def test_who_has_just_begun_the_handshake_is_not_the_first_to_go(autojump_clock: object) -> None:
    home = house(3)
    oldest = home.open("a")
    await trio.sleep(60)
    home.open("a")
    fresh = home.open("a", ready=False)
    home.open("a")
    assert home.has(fresh)
    assert not home.has(oldest)


async def test_a_flood_of_handshakes_ends_none_of_the_sessions_at_work(autojump_clock: object) -> None:
    home = house(100, share=20)
    workers = [home.open("a") for _ in range(9)]
    await trio.sleep(60)
    for _ in range(500):
        home.open("a", ready=False)
    assert all(map(home.has, workers))
    assert len(home.table) == 20


async def test_one_principal_has_a_share_and_crowds_out_itself(autojump_clock: object) -> None:
    home = house(40, share=10)
    others = [home.open("good") for _ in range(5)]
    await trio.sleep(60)
    flood = [home.open("bad") for _ in range(300)]
    assert all(map(home.has, others))
    assert [home.has(session) for session in flood] == [False] * 290 + [True] * 10


async def test_a_principal_that_uses_its_whole_share_is_told_so(autojump_clock: object) -> None:
    home = house(40, share=3)
    for _ in range(3):
        stay(home.open("a"))
    refused = home.ask("a")
    assert isinstance(refused, NoPlace)
    assert refused.status == 429
    assert "3 sessions" in refused.message
    assert isinstance(home.ask("b"), Session)


async def test_nobody_loses_a_session_to_who_has_as_many(autojump_clock: object) -> None:
    home = house(12, share=12)
    small = [home.open("small") for _ in range(4)]
    await trio.sleep(60)
    large = [home.open("large") for _ in range(8)]
    for _ in range(50):
        home.open("large")
        home.open("new")
    assert all(map(home.has, small))
    assert not any(map(home.has, large))
    assert sorted(len(owner) for owner in home.table.owners) == [4, 4, 4]


async def test_busy_ones_do_not_hide_for_long_that_others_are_idle(autojump_clock: object) -> None:
    home = house(200)
    sessions = [home.open(f"user {number}") for number in range(200)]
    for session in sessions[:190]:
        stay(session)
    answers = [home.ask(f"new {number}") for number in range(4)]
    assert any(isinstance(answer, Session) for answer in answers)
    assert not any(session.ended for session in sessions[:190])


@pytest.mark.parametrize(("most", "share"), [(10_000, 2500), (100, 25), (40, 16), (1, 16)])
def test_a_share_is_a_quarter_unless_it_is_configured(most: int, share: int) -> None:
    assert Limits(max_sessions=most).share_of_sessions == share
    assert Limits(max_sessions=most, max_sessions_per_principal=7).share_of_sessions == 7


async def test_networks_have_shares_where_nobody_says_who_he_is(autojump_clock: object) -> None:
    table = SessionTable(Limits(max_sessions=100, max_sessions_per_principal=2), Sources.seeded(1))
    opening = Opening("2025-11-25", {})
    first, *_ = [table.open(opening, NOBODY, "10.0.0.1") for _ in range(3)]
    assert isinstance(first, Session)
    assert first.ended
    for _ in range(5):
        table.open(opening, NOBODY, "")  # a Unix socket: nothing is known of anybody
        table.open(opening, Principal("somebody"), "10.0.0.1")
    assert sorted(len(owner) for owner in table.owners) == [2, 2, 5]


async def test_the_network_is_that_of_the_client_that_a_trusted_proxy_names(gate: Any, talk: Any) -> None:
    """The server in front puts it into the scope; here is what becomes of it."""
    gate.rebuild(limits=Limits(max_sessions_per_principal=1))
    sessions = []
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:10.0.0.1", "10.0.0.1"):
        gate.transport.client = (address, 1)
        sessions.append(await gate.open())
    statuses = [(await gate.post(PING, session)).status_code for session in sessions]
    assert statuses == [404, 200, 200, 404, 200]


async def test_one_owner_leaves_as_many_connections_as_it_has_streams(gate: Any, talk: Any, autojump_clock: object) -> None:
    gate.rebuild(tokens=("one", "two"), limits=Limits(max_streams=8))
    one, two = {"authorization": "Bearer one"}, {"authorization": "Bearer two"}
    mine, theirs = [await gate.open(**one) for _ in range(3)], await gate.open(**two)
    async with AsyncExitStack() as streams:
        for number in range(4):
            await streams.enter_async_context(gate.stream("GET", mine[number % 3], **one))
        refused = await gate.http.get("/mcp", headers={"accept": "text/event-stream", "mcp-session-id": mine[0]} | one)
        assert (refused.status_code, "4 open streams" in refused.json()["error"]["message"]) == (429, True)
        for _ in range(2):
            await streams.enter_async_context(gate.stream("GET", theirs, **two))
        assert gate.app.sessions.owners.streams == 6
    await trio.testing.wait_all_tasks_blocked()
    assert gate.app.sessions.owners.streams == 0
    assert [owner.streams for owner in gate.app.sessions.owners] == [0, 0]
    async with gate.stream("GET", mine[0], **one) as stream:
        assert stream.response.status_code == 200


async def test_who_ends_one_twice_does_not_end_what_goes_on_under_its_id(autojump_clock: object) -> None:
    home = house(3)
    before = home.open("a")
    home.table.end(before)
    after = home.table.open(Opening("2025-11-25", {}), Principal("a"), "", before.id)
    assert isinstance(after, Session)
    home.table.end(before)
    assert home.has(after)
    assert not after.ended


async def test_an_owner_is_forgotten_with_its_last_session(autojump_clock: object) -> None:
    home = house(4)
    for who in "abcd":
        home.table.end(home.open(who))
    assert (len(home.table), len(home.table.owners)) == (0, 0)


async def test_names_of_capabilities_take_no_memory(gate: Any, talk: Any) -> None:
    opening = talk.opening()
    names = [f"x{number:06}" for number in range(400)] + ["sampling", "roots"]
    opening["params"]["capabilities"] = {name: {} for name in names} | {"sampling": {"tools": {}}}
    body = json.dumps(opening).encode()
    gate.rebuild(limits=Limits(max_body_size=100_000))
    tracemalloc.start()
    try:
        for _ in range(20):
            await gate.post(body)
        before = tracemalloc.take_snapshot()
        for _ in range(20):
            await gate.post(body)
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    kept = sum(line.size_diff for line in after.compare_to(before, "filename") if "sluicegate" in line.traceback[0].filename)
    assert kept < 20 * 8192
    capabilities = next(iter(gate.app.sessions._sessions.values())).caller.capabilities
    assert {id(session.caller.capabilities) for session in gate.app.sessions._sessions.values()} == {id(capabilities)}
    assert {name: bytes(value) for name, value in capabilities.items()} == {"sampling": b'{"tools": {}}', "roots": b"{}"}


async def test_of_capabilities_that_take_much_room_only_the_names_are_kept(gate: Any, talk: Any) -> None:
    opening = talk.opening()
    opening["params"]["capabilities"] = {"sampling": {"x": "y" * MOST_KEPT}, "elicitation": {"url": {}}}
    gate.rebuild(limits=Limits(max_body_size=100_000))
    await gate.post(opening)
    (session,) = gate.app.sessions._sessions.values()
    assert {name: bytes(value) for name, value in session.caller.capabilities.items()} == {"sampling": b"{}", "elicitation": b"{}"}


@pytest.mark.parametrize(
    ("capabilities", "word"),
    [
        ({"experimental": {"x": "y" * LARGEST_CAPABILITIES}}, "65536 bytes"),
        ({f"x{number:08}": {} for number in range(4000)}, "65536 bytes"),  # its size is known, its members would have to be read
        ({f"x{number}": {} for number in range(513)}, "512 members"),
        ([], "must be an object"),
        (None, "must be an object"),
    ],
)
async def test_a_client_that_can_do_too_much_is_refused(gate: Any, talk: Any, capabilities: object, word: str) -> None:
    opening = talk.opening()
    opening["params"]["capabilities"] = capabilities
    gate.rebuild(limits=Limits(max_body_size=100_000))
    error = (await gate.post(opening)).json()["error"]
    assert error["code"] == -32602
    assert word in error["message"]


async def test_large_requests_without_an_answer_have_a_bound(
    gate: Any, talk: Any, tools: Any, nursery: trio.Nursery, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def long(call: Call) -> Reply:
        await trio.sleep(100)
        return Reply()

    tools["long"] = long
    monkeypatch.setattr("sluicegate.frontends.session_table.MOST_OPEN_BYTES", 6 * 70_000)
    gate.rebuild(tokens=("one", "two"), limits=Limits(max_body_size=1_000_000))
    one, two = {"authorization": "Bearer one"}, {"authorization": "Bearer two"}
    mine, theirs = [await gate.open(**one) for _ in range(3)], await gate.open(**two)

    def large(name: str) -> Any:
        return talk.calling(name, 9, arguments={"x": "y" * 69_000})

    for session in mine:
        nursery.start_soon(partial(gate.post, large("long"), session, **one))
    await trio.sleep(1)
    refused = await gate.post(large("echo"), mine[0], **one)
    assert (refused.status_code, refused.headers["retry-after"], refused.json()["error"]["code"]) == (503, "1", -32013)
    assert (await gate.post(large("echo"), theirs, **two)).status_code == 200
    assert (await gate.post(PING, mine[0], **one)).status_code == 200
    await trio.sleep(200)
    assert (await gate.post(large("echo"), mine[0], **one)).status_code == 200
    assert gate.app.sessions._open_bytes == 0


async def test_of_the_room_for_large_requests_one_has_half_and_the_next_half_of_the_rest(autojump_clock: object) -> None:
    home = house(10)
    for who, most in (("a", MOST_OPEN_BYTES // 2), ("b", MOST_OPEN_BYTES // 4), ("c", MOST_OPEN_BYTES // 8)):
        session, held = home.open(who), 0
        while home.table.may_hold(session.owner, 1 << 20):
            held += 1 << 20
        assert held == most


async def test_answers_that_are_kept_for_one_do_not_crowd_out_those_for_others(autojump_clock: object) -> None:
    home = house(100)
    good, bad = home.open("good"), [home.open("bad") for _ in range(10)]

    def keep(session: Session, size: int) -> None:
        log = session.open_stream(Unresumed())
        log.put(b"x" * size, is_note=False)
        log.end()
        home.table.keep(session, log)

    keep(good, 1000)
    for number in range(100):
        keep(bad[number % 10], 1_000_000)
    assert len(good.kept) == 1
    assert bad[0].owner.kept_bytes <= MOST_KEPT_BYTES // PART
    for session in bad:
        home.table.end(session)
    assert home.table._kept_bytes == good.owner.kept_bytes


async def test_answers_that_are_kept_weigh_more_than_what_they_say(autojump_clock: object) -> None:
    home = house(2000, share=2000)
    sessions = [home.open("a") for _ in range(1000)]
    for session in sessions:
        for _ in range(20):
            log = session.open_stream(Unresumed())
            log.end()
            home.table.keep(session, log)
    assert sum(len(session.kept) for session in sessions) < 10_000


async def test_an_answer_that_is_kept_does_not_hold_the_connection_that_it_began_on(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    for name, seconds in (("chatty", 1), ("chatty", 10)):  # while it goes on, and when it has ended
        async with gate.stream("POST", session, talk.calling(name, seconds)) as stream:
            await stream.next()
        await trio.sleep(seconds)
        gc.collect()
        assert [one for one in gc.get_objects() if isinstance(one, HttpRequest)] == []
    assert len(gate.app.sessions.find(session, NOBODY).answers) == 2


async def test_calls_without_a_connection_have_a_share_too(
    gate: Any, talk: Any, tools: Any, nursery: trio.Nursery, autojump_clock: object
) -> None:
    async def long(call: Call) -> Reply:
        call.back.note(b'{"jsonrpc":"2.0","method":"notifications/progress"}')
        await trio.sleep(30)
        return Reply()

    tools["long"] = long
    gate.rebuild(tokens=("one", "two"), limits=Limits(max_orphans=8, orphan_seconds=100))
    one, two = {"authorization": "Bearer one"}, {"authorization": "Bearer two"}
    mine, theirs = await gate.open(**one), await gate.open(**two)
    for number in range(6):
        async with gate.stream("POST", mine, talk.calling("long", number), **one) as stream:
            await stream.next()
    async with gate.stream("POST", theirs, talk.calling("long", 1), **two) as stream:
        await stream.next()
    await trio.sleep(1)
    assert len(gate.app.sessions.orphans) == 3
    assert len(gate.app.sessions._sessions[theirs].calls) == 1
    await trio.sleep(100)
    assert gate.app.sessions.orphans == {}


def test_an_owner_who_is_unknown_has_no_name() -> None:
    assert Owner().name == ""


async def test_a_large_request_that_has_its_answer_leaves_all_its_room(autojump_clock: object) -> None:
    """To its owner, too: else whoever sends many would be refused in the end."""
    home = house(10)
    session = home.open("a")
    for _ in range(100):
        assert home.table.may_hold(session.owner, MOST_OPEN_BYTES // 4)
        home.table.let_go(session.owner, MOST_OPEN_BYTES // 4)
    assert (session.owner.open_bytes, home.table._open_bytes) == (0, 0)
