"""Bounds of a frontend, at their edge: so much is taken or kept, and one more is refused, dropped or late. In memory, on the mock clock."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
import trio.testing
from tests.kit.messages import INITIALIZED, PING
from tests.kit.rounds import Rounds
from tests.kit.unresumed import Unresumed

from sluicegate.config.model import Config, ProxyConfig
from sluicegate.frontends.endpoint import Limits, Opening, read_opening
from sluicegate.frontends.exchange import Exchange
from sluicegate.frontends.large_events import LargeEvents
from sluicegate.frontends.mirrored_headers import contradiction
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.sessions import Session
from sluicegate.frontends.stream import Downlink, EventLog
from sluicegate.gateway.opening import _limits
from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.clientele import MANY
from sluicegate.protocol.messages import Raw, Request, encode
from sluicegate.protocol.parts import Parts
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.protocol.question import Question
from sluicegate.protocol.request_headers import read_headers
from sluicegate.routing.directory import ListChange
from sluicegate.sources import Sources

MIB = 1024 * 1024
CHANGED = frozenset({"notifications/tools/list_changed"})


def table_of(**limits: Any) -> SessionTable:
    return SessionTable(Limits(**limits), Sources.seeded(1))


def opened(table: SessionTable, who: str = "a", network: str = "") -> Session:
    session = table.open(Opening("2025-11-25", {}), Principal(who) if who else NOBODY, network)
    assert isinstance(session, Session)
    session.settle()
    return session


def kept(table: SessionTable, session: Session, size: int) -> EventLog:
    """A finished answer of so many bytes that its client has not fetched."""
    log = session.open_stream(Unresumed())
    log.put(bytes(size), is_note=False)
    log.end()
    table.keep(session, log)
    return log


def test_an_application_of_ones_own_has_the_limits_of_a_gateway() -> None:
    assert _limits(Config(ProxyConfig("x")), MANY) == Limits()


# -- what is kept for clients that may come back


@pytest.mark.parametrize("size", [1000, MIB - 2048])
async def test_each_answer_that_is_kept_counts_two_kibibytes_beside_what_it_says(size: int) -> None:
    table = table_of()
    session = opened(table)
    kept(table, session, size)
    assert (table._kept_bytes, session.owner.kept_bytes) == (size + 2048, size + 2048)
    await trio.lowlevel.checkpoint()


async def test_sixteen_mebibytes_are_kept_for_one_owner_and_the_oldest_goes_first() -> None:
    table = table_of()
    sessions = [opened(table) for _ in range(2)]
    logs = [kept(table, sessions[number % 2], MIB - 2048) for number in range(16)]
    assert list(table._kept) == logs
    small = kept(table, sessions[0], 0)
    assert list(table._kept) == [*logs[1:], small]
    assert list(sessions[0].kept) == [*logs[2::2], small]
    await trio.lowlevel.checkpoint()


async def test_sixty_four_mebibytes_are_kept_for_all_and_the_oldest_goes_first() -> None:
    table = table_of()
    logs = [kept(table, session, MIB - 2048) for session in [opened(table, who) for who in "abcd"] for _ in range(16)]
    assert (len(table._kept), table._kept_bytes) == (64, 64 * MIB)
    newest = kept(table, opened(table, "e"), 0)
    assert list(table._kept) == [*logs[1:], newest]
    await trio.lowlevel.checkpoint()


async def test_a_session_keeps_so_many_answers_and_the_oldest_goes_first() -> None:
    table = table_of(max_streams_per_session=3)
    session = opened(table)
    logs = [kept(table, session, 10) for _ in range(3)]
    assert list(session.kept) == logs
    logs.append(kept(table, session, 10))
    assert list(session.kept) == logs[1:]
    assert sorted(session.answers) == [2, 3, 4]
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(("seconds", "is_there"), [(59.9, True), (60.1, False)])
async def test_an_answer_is_kept_for_as_long_as_a_call_may_go_on_alone(
    seconds: float, is_there: bool, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    table = table_of(orphan_seconds=60, session_idle_seconds=4000)
    kept(table, opened(table), 10)
    nursery.start_soon(table.sweep)
    await trio.sleep(seconds)
    assert bool(table._kept) is is_there
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("owners", "idle", "turns"), [(255, 0, 0), (256, 0, 1), (511, 0, 1), (512, 0, 2), (1, 254, 0), (1, 255, 1), (1, 256, 1)]
)
async def test_others_get_their_turn_after_256_sessions_and_owners_that_are_looked_at(
    owners: int, idle: int, turns: int, autojump_clock: trio.testing.MockClock
) -> None:
    table = table_of(session_idle_seconds=4000)
    for _ in range(idle):
        opened(table, "user 0").used_at = -4000.0
    for number in range(owners):
        opened(table, f"user {number}")
    rounds = Rounds()
    trio.lowlevel.add_instrument(rounds)
    before = rounds.now
    await table._end_idle()
    assert (rounds.now - before, len(table)) == (turns, owners)
    await trio.lowlevel.checkpoint()


async def test_sessions_are_looked_for_ten_times_a_second_at_most(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    table = table_of(session_idle_seconds=0.25, orphan_seconds=0)
    nursery.start_soon(table.sweep)
    opened(table)
    seen = []
    for _ in range(4):
        await trio.sleep(0.09)
        seen.append(len(table))
    assert seen == [1, 1, 1, 0]  # looked at after 0.1, 0.2 and 0.3 seconds
    nursery.cancel_scope.cancel()


# -- what is open


@pytest.mark.parametrize(("size", "counts"), [(65_535, False), (65_536, True)])
async def test_a_request_counts_as_large_from_64_kibibytes_on(
    size: int, counts: bool, gate: Any, talk: Any, tools: Any, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[int] = []

    async def look(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        seen.append(gate.app.sessions._open_bytes)
        return Reply()

    tools["look"] = look
    gate.rebuild(limits=Limits(max_body_size=100_000))
    session = await gate.open("2025-03-26")
    body = json.dumps(talk.calling("look", arguments={"x": ""})).encode()
    body = body.replace(b'"x": ""', b'"x": "%b"' % (b"y" * (size - len(body))))
    assert len(body) == size
    for whole in (body, b"[" + body[:-2].replace(b"yy", b"", 1) + b"}}]"):
        assert len(whole) == size
        assert (await gate.post(whole, session)).status_code == 200
    assert seen == [size * counts] * 2
    (owner,) = gate.app.sessions.owners
    assert (gate.app.sessions._open_bytes, owner.open_bytes) == (0, 0)


@pytest.mark.parametrize(("size", "counts"), [(65_535, False), (65_536, True)])
async def test_the_opening_of_a_session_counts_as_large_as_all_else(
    size: int, counts: bool, gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[int] = []

    async def settled() -> None:
        await trio.lowlevel.checkpoint()
        seen.append(gate.app.sessions._open_bytes)

    gate.endpoint.settled = settled
    gate.rebuild(limits=Limits(max_body_size=100_000))
    body = json.dumps(talk.opening()).encode()
    body = body.replace(b'"name": "t"', b'"name": "t%b"' % (b"y" * (size - len(body))))
    assert (len(body), (await gate.post(body)).status_code) == (size, 200)
    assert (seen, gate.app.sessions._open_bytes) == ([size * counts], 0)


@pytest.mark.parametrize(("more", "is_taken"), [(0, True), (1, False)])
async def test_of_256_mebibytes_for_large_requests_one_has_what_is_left_for_all_others(more: int, is_taken: bool) -> None:
    table = table_of()
    session = opened(table)
    assert table.may_hold(session.owner, 100 * MIB)
    assert table.may_hold(session.owner, 56 * MIB + more) is is_taken
    await trio.lowlevel.checkpoint()


async def test_a_client_has_32_open_questions_and_no_more() -> None:
    class Way:
        """Takes every question, and notes what else is said."""

        def __init__(self) -> None:
            self.asked, self.notes = 0, list[bytes]()

        def begin(self, request: Request) -> None:
            raise AssertionError

        def note(self, message: bytes) -> None:
            self.notes.append(message)

        def ask(self, message: bytes) -> Any:
            del message
            self.asked += 1
            return lambda: None

        def reply(self, message: object) -> None:
            raise AssertionError

    session, way = Session(Caller("2025-11-25", {"roots": Raw(b"{}")}), Limits()), Way()
    questions = [Question("roots/list", {}, lambda _reply: None) for _ in range(33)]
    faults = [session.ask(question, way) for question in questions]
    assert [fault is None for fault in faults] == [True] * 32 + [False]
    refused = faults[-1]
    assert refused is not None
    assert "32 open questions" in refused.message
    questions[7].withdraw()
    assert session.ask(questions[-1], way) is None
    assert (way.asked, len(way.notes)) == (33, 1)
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(("who", "most"), [("", 1024), ("a", 256)])
async def test_so_many_calls_of_one_owner_go_on_without_a_connection(who: str, most: int) -> None:
    """A quarter of them; all of them where nothing is known of anybody."""
    table = table_of(max_calls_per_session=5000, max_streams_per_session=5000)
    session = opened(table, who)
    for number in range(most):
        assert table.has_room_for_orphan(session)
        table.orphans[an_exchange(session, number)] = session.owner
    assert not table.has_room_for_orphan(session)
    assert table.has_room_for_orphan(opened(table, "b")) is (who == "a")
    await trio.lowlevel.checkpoint()


async def test_so_many_calls_of_one_session_go_on_without_a_connection() -> None:
    table = table_of(max_streams_per_session=2)
    session, other = opened(table), opened(table)
    for number in range(2):
        assert table.has_room_for_orphan(session)
        session.calls[number] = exchange = an_exchange(session, number)
        table.orphans[exchange] = session.owner
    session.calls[2] = an_exchange(session, 2)  # it has its connection
    assert not table.has_room_for_orphan(session)
    assert table.has_room_for_orphan(other)
    await trio.lowlevel.checkpoint()


async def test_of_very_few_calls_that_may_go_on_each_owner_has_one() -> None:
    table = table_of(max_orphans=3)
    for who in "abc":
        session = opened(table, who)
        assert table.has_room_for_orphan(session)
        table.orphans[an_exchange(session, 1)] = session.owner
        assert not table.has_room_for_orphan(session)
    assert not table.has_room_for_orphan(opened(table, "d"))
    await trio.lowlevel.checkpoint()


def an_exchange(session: Session, number: int) -> Exchange:
    return Exchange(b"%d" % number, Call("tools/call", "x", {}), session, None, lambda: None, True)  # type: ignore[arg-type]


async def test_a_session_has_1024_open_calls_and_no_more(gate: Any, autojump_clock: trio.testing.MockClock) -> None:
    gate.rebuild(limits=Limits())
    session = opened(gate.app.sessions)
    refused: list[Any] = []

    class Way:
        def reply(self, message: Any) -> None:
            refused.append(message)

    way: Any = Way()
    started = [session.start(Request(b"%d" % key, key, "tools/call", {"name": Raw(b'"slow"')}), way, gate.endpoint) for key in range(1025)]
    assert [exchange is not None for exchange in started] == [True] * 1024 + [False]
    assert b"1024 open calls" in refused[0]
    session.end()
    await trio.testing.wait_all_tasks_blocked()
    assert (session.calls, len(refused)) == ({}, 1025)


# -- what is said


async def test_a_stream_says_that_its_client_may_come_back_after_a_second(
    gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    session = await gate.open()
    answer = await gate.post(talk.calling("chatty"), session)
    assert answer.content.startswith(b"id: 1-0\nretry: 1000\ndata: \n\n")


async def test_changes_of_a_tenth_of_a_second_are_told_as_one(gate: Any, autojump_clock: trio.testing.MockClock) -> None:
    session = await gate.open()
    async with gate.stream("GET", session) as stream:
        await trio.sleep(10)
        gate.app.sessions.announce(ListChange(CHANGED))
        await stream.next()
        assert trio.current_time() == pytest.approx(10.1)


async def test_of_several_streams_the_newest_alone_is_woken_by_changes(autojump_clock: trio.testing.MockClock) -> None:
    table = table_of()
    session = opened(table)
    session.listeners += [Downlink(trio.sleep_forever) for _ in range(3)]
    table.announce(ListChange(CHANGED))
    assert [await downlink.wait(1) for downlink in session.listeners] == [False, False, True]


async def test_the_log_shows_eight_characters_of_a_session_that_makes_room(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    """Who knows all of them may act in it; eight tell it from others in the log."""
    table = table_of(max_sessions=1)
    session = opened(table)
    opened(table)
    (record,) = caplog.records
    assert vars(record)["session"] == session.id[:8]
    assert vars(record)["sessions"] == 1


async def test_the_route_tells_its_milliseconds_to_the_microsecond(
    gate: Any, talk: Any, tools: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async def long(call: Call) -> Reply:
        await trio.sleep(1.2345678)
        reply: Reply = talk.result("x")
        return reply

    tools["long"] = long
    session = await gate.open()
    told = (await gate.post(talk.calling("long", _meta={"sluicegate/route": True}), session)).json()["result"]["_meta"]
    assert told["sluicegate/route"] == {"backend": "", "attempts": 0, "ms": 1234.568}


async def test_a_thousand_tools_with_answers_that_some_clients_refuse_are_named(caplog: pytest.LogCaptureFixture) -> None:
    large, session = LargeEvents(), opened(table_of())
    for number in range(1002):
        call = Call("tools/call", f"tool {number}", {})
        exchange = Exchange(b"1", call, session, None, lambda: None, True)  # type: ignore[arg-type]
        large.look(MIB + 1, [exchange])
    assert [vars(record)["target"] for record in caplog.records] == [f"tool {number}" for number in range(1000)]
    await trio.lowlevel.checkpoint()


async def test_a_websocket_is_closed_as_what_has_nothing_more_to_say(gate: Any) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        await trio.lowlevel.checkpoint()
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(event)

    await gate.app({"type": "websocket", "path": "/mcp", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


@pytest.mark.parametrize(("size", "is_large"), [(65_535, False), (65_536, True)])
async def test_a_result_stays_where_it_is_from_64_kibibytes_on(size: int, is_large: bool) -> None:
    said: list[Any] = []

    class Way:
        def reply(self, message: Any) -> None:
            said.append(message)

    async def answer(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(Raw(b'"%b"' % (b"x" * (size - 2))))

    way: Any = Way()
    await Exchange(b"1", Call("tools/call", "x", {}), opened(table_of()), way, lambda: None, True).run(answer)
    assert [isinstance(message, Parts) for message in said] == [is_large]


async def test_a_bug_in_an_answer_that_comes_without_a_task_is_told_as_any_other(caplog: pytest.LogCaptureFixture) -> None:
    said: list[Any] = []

    class Way:
        def reply(self, message: Any) -> None:
            said.append(message)

    class Now:
        def then(self, step: Callable[[Reply], Reply]) -> None:
            step(Reply(cast("Raw", None)))  # which cannot be told

    way: Any = Way()
    coming: Any = Now()
    Exchange(b"1", Call("tools/call", "x", {}), opened(table_of()), way, lambda: None, True).expect(coming)
    (message,) = said
    assert json.loads(bytes(message))["error"]["code"] == -32603
    assert "a bug cost one call" in caplog.text


# -- what is read


@pytest.mark.parametrize(("size", "is_whole"), [(2048, True), (2049, False)])
def test_two_kibibytes_of_capabilities_are_kept_whole(size: int, is_whole: bool) -> None:
    """Of all together; what comes beside those that the protocol knows does not count."""
    sampling, roots = b'{"x":"%b"}' % (b"y" * 1000), b"{}"
    roots = b'{"z":"%b"}' % (b"y" * (size - len(sampling) - 8))
    capabilities = b'{"sampling":%b,"other":{"a":"%b"},"roots":%b}' % (sampling, b"z" * 5000, roots)
    opening = read_opening({"protocolVersion": Raw(b'"2025-11-25"'), "capabilities": Raw(capabilities)})
    assert isinstance(opening, Opening)
    whole = {"roots": roots, "sampling": sampling}
    assert {name: bytes(raw) for name, raw in opening.capabilities.items()} == (whole if is_whole else dict.fromkeys(whole, b"{}"))


@pytest.mark.parametrize(("size", "is_taken"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_64_kibibytes_of_capabilities_are_read(size: int, is_taken: bool) -> None:
    raw = b'{"x":"%b"}' % (b"y" * (size - 8))
    opening = read_opening({"protocolVersion": Raw(b'"2025-11-25"'), "capabilities": Raw(raw)})
    assert (len(raw), isinstance(opening, Opening)) == (size, is_taken)


@pytest.mark.parametrize(("said", "argument", "agrees"), [
    ("0" * 63 + "7", "7", True),
    ("0" * 64 + "7", "7", False),
    ("7", "7." + "0" * 62, True),
    ("7", "7." + "0" * 63, False),
    ("1" * 65, "1" * 65, True),
])  # fmt: skip
def test_numbers_of_up_to_64_digits_are_compared_by_value(said: str, argument: str, agrees: bool) -> None:
    from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
    from sluicegate.routing.catalogue import Entry, build

    async def handler(call: Call) -> Reply:
        raise AssertionError

    schema = {"type": "object", "properties": {"count": {"type": "integer", "x-mcp-header": "count"}}}
    raw = {"name": Raw(b'"move"'), "inputSchema": Raw(encode(schema))}
    offer = Offer(Hello("2025-11-25", {"tools": Raw(b"{}")}, {}), dict.fromkeys(KINDS, ()) | {TOOLS: (Item("move", raw),)})
    catalogue = build([Entry("b", "", handler, offer=offer)], separator="_")
    params = {"name": Raw(b'"move"'), "arguments": Raw(b'{"count":%b}' % argument.encode())}
    headers = read_headers([(b"mcp-param-count", said.encode())])
    assert (contradiction(headers, Request(b"1", 1, "tools/call", params), catalogue) is None) is agrees


@pytest.mark.parametrize("accept", [None, "*/*", "application/json, text/event-stream"])
async def test_who_does_not_say_what_it_takes_gets_json_and_a_stream_where_there_is_more_to_tell(
    accept: str | None, gate: Any, talk: Any, autojump_clock: trio.testing.MockClock
) -> None:
    session = await gate.open()
    kinds = [(await gate.post(talk.calling(name), session, accept=accept or "")).headers["content-type"] for name in ("echo", "chatty")]
    assert kinds == ["application/json", "text/event-stream"]
    assert (await gate.post(INITIALIZED, session)).status_code == 202
    assert (await gate.post(PING, session, accept="text/plain")).status_code == 406


async def test_a_mirrored_name_is_read_though_it_could_not_be_sent_as_it_stands() -> None:
    name = base64.b64encode("é".encode()).decode()
    headers = read_headers([(b"mcp-name", f"=?base64?{name}?=".encode())])
    request = Request(b"1", 1, "tools/call", {"name": Raw('"é"'.encode())})
    assert contradiction(headers, request, None) is None  # type: ignore[arg-type]
    await trio.lowlevel.checkpoint()
