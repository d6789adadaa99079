"""Bounds of a session over HTTP at their edge: which statuses mean what, how long is waited, how much is read and shown."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import Site, open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.forgotten import Memory, memory_of
from sluicegate.backends.http.session import HttpSession
from sluicegate.http1.server.server import HangUp
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.fault import Fault
from sluicegate.protocol.faults import backend_error
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.sizes import LARGEST_MESSAGE

Clock = trio.testing.MockClock


@asynccontextmanager
async def opened(endpoint: ScriptedEndpoint, limit: int = LARGEST_MESSAGE) -> AsyncGenerator[tuple[HttpSession, Site]]:
    async with open_site(endpoint) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=limit)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1")
            assert isinstance(session, HttpSession)
            yield session, site


def call(method: str = "tools/call") -> Call:
    return Call(method, "x", {"name": Raw(b'"x"')})


async def fault_of(session: HttpSession) -> Fault:
    fault = (await session.request(call())).fault
    assert fault is not None
    return fault


# -- statuses

LASTING = {*range(400, 500)} - {408, 425, 429}
ABOUT_THE_CALL = {400, 406, 411, 413, 414, 415, 422, 431}
OVERLOAD, NOT_BEGUN = {429}, {*range(400, 500), 503}


async def test_each_status_says_whether_to_come_again_and_whether_it_speaks_against_the_backend(autojump_clock: Clock) -> None:
    status = 0

    async def refuse(answer: Answer) -> None:
        await answer.send(status, b"no", content_type="text/plain")

    async with opened(ScriptedEndpoint(on={"tools/call": refuse}, stateful=False)) as (session, _site):
        for status in (300, *range(303, 307), 309, *range(399, 453), 499, 500, 501, 502, 503, 504, 599):
            fault = await fault_of(session)
            told = (fault.lasting, fault.is_about_call, fault.counts_against_backend, fault.started)
            against = status not in ABOUT_THE_CALL | OVERLOAD
            assert told == (status in LASTING, status in ABOUT_THE_CALL, against, status not in NOT_BEGUN), status
            assert bytes(fault.details["status"]) == b"%d" % status


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_four_statuses_lead_elsewhere(status: int, autojump_clock: Clock) -> None:
    async def move(answer: Answer) -> None:
        if answer.url.endswith("/there"):
            await answer.result({})
        else:
            await answer.send(status, location="/there")

    async with opened(ScriptedEndpoint(on={"tools/call": move})) as (session, _site):
        assert (await session.request(call())).fault is None


@pytest.mark.parametrize(
    ("status", "own_session", "memory"),
    [
        (199, False, Memory.KNOWN),
        (200, False, Memory.FORGOTTEN),
        (299, False, Memory.FORGOTTEN),
        (300, False, Memory.KNOWN),
        (400, False, Memory.FORGOTTEN),
        (200, True, Memory.KNOWN),
        (299, True, Memory.KNOWN),
        (400, True, Memory.FORGOTTEN),
    ],
)
def test_words_about_a_session_count_at_a_status_that_fits_them(status: int, own_session: bool, memory: Memory) -> None:
    """Where all is well the call itself may speak of a session of its own."""
    fault = backend_error("b", Raw(b'{"code":-32600,"message":"unknown session"}'))
    assert memory_of(status, fault, has_id=True, unnamed=False, own_session=own_session) is memory


@pytest.mark.parametrize(("status", "memory"), [(499, Memory.KNOWN), (500, Memory.IN_DOUBT), (599, Memory.IN_DOUBT)])
def test_words_about_the_end_of_a_session_count_with_an_error_of_the_server(status: int, memory: Memory) -> None:
    fault = backend_error("b", Raw(b'{"code":-32000,"message":"the session has expired"}'))
    assert memory_of(status, fault, has_id=True, unnamed=False) is memory
    assert memory_of(status, fault, has_id=False, unnamed=False) is Memory.KNOWN


# -- what is shown and read


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (b"x" * 200, "x" * 200),
        (b"x" * 201, "x" * 200),
        (b" " * 795 + b"end", "end"),
        (b"\n" * 795 + b"behind", "behin"),
        (b"two\n  words ", "two words"),
        (b"", ""),
    ],
)
async def test_of_an_error_page_200_characters_are_shown_of_the_first_800_bytes(page: bytes, shown: str, autojump_clock: Clock) -> None:
    async def refuse(answer: Answer) -> None:
        await answer.send(502, page, content_type="text/html")

    async with opened(ScriptedEndpoint(on={"tools/call": refuse})) as (session, _site):
        fault = await fault_of(session)
    assert fault.told == "backend 'web' answered HTTP 502" + (f": {shown}" if shown else "")
    assert fault.message == "backend 'web' answered HTTP 502"


@pytest.mark.parametrize(("begun", "dialled"), [(65_536, 1), (65_537, 2)])
async def test_64_kibibytes_of_an_answer_to_a_notification_are_read_for_the_sake_of_its_connection(
    begun: int, dialled: int, autojump_clock: Clock
) -> None:
    async def accept(answer: Answer) -> None:
        await answer._head(202, {"content_length": str(begun + 10)})
        await answer._send({"type": "http.response.body", "body": b"x" * begun, "more_body": True})
        await trio.sleep(0.01)
        await answer._send({"type": "http.response.body", "body": b"x" * 10})

    async with opened(ScriptedEndpoint(stateful=False, on={"notifications/roots/list_changed": accept})) as (session, site):
        await session.request(call())
        session.tell("notifications/roots/list_changed", {})
        await trio.sleep(1)
        await session.request(call())
        assert len(site.dialled) == dialled


# -- how long is waited


async def test_a_notification_has_five_seconds(autojump_clock: Clock) -> None:
    async def never(answer: Answer) -> None:
        await answer.wait_gone()

    async with opened(ScriptedEndpoint(on={"notifications/roots/list_changed": never})) as (session, _site):
        session.tell("notifications/roots/list_changed", {})
        await trio.sleep(4.9)
        assert session._notices.on_their_way == 1
        await trio.sleep(0.2)
        assert session._notices.on_their_way == 0


async def test_the_rest_of_an_answer_to_a_notification_has_a_twentieth_of_a_second(autojump_clock: Clock) -> None:
    async def slow(answer: Answer) -> None:
        await answer._head(202, {"content_length": "2"})
        await answer._send({"type": "http.response.body", "body": b"x", "more_body": True})
        await answer.wait_gone()

    async with opened(ScriptedEndpoint(on={"notifications/initialized": slow})) as (session, _site):
        await session.request(call())
        assert trio.current_time() == pytest.approx(0.05)


async def test_a_new_conversation_has_30_seconds_to_open(autojump_clock: Clock) -> None:
    endpoint = ScriptedEndpoint()

    async def never(answer: Answer) -> None:
        await answer.wait_gone()

    async with opened(endpoint) as (session, _site):
        await trio.sleep(1)
        endpoint.forget()
        endpoint.on["initialize"] = never
        fault = await fault_of(session)
        assert trio.current_time() == pytest.approx(31)
        assert "within 30 s" in fault.told


@pytest.mark.parametrize(("seconds", "is_over"), [(59.9, True), (60.0, False)])
async def test_more_than_ten_sessions_lost_within_a_minute_are_no_accident(seconds: float, is_over: bool, autojump_clock: Clock) -> None:
    endpoint = ScriptedEndpoint()
    async with opened(endpoint) as (session, _site):
        for _ in range(10):
            endpoint.forget()
            assert (await session.request(call())).fault is None
        await trio.sleep(seconds - trio.current_time())
        endpoint.forget()
        assert ((await session.request(call())).fault is not None) is is_over
        assert session.is_open is not is_over


@pytest.mark.parametrize(
    ("retry", "paused"), [(None, 1.0), (0, 0.1), (99, 0.1), (101, 0.101), (2500, 2.5), (29_999, 29.999), (30_001, 30.0)]
)
async def test_a_broken_stream_is_fetched_again_when_its_server_wants_that_within_reason(
    retry: int | None, paused: float, autojump_clock: Clock
) -> None:
    posted: list[Answer] = []

    async def break_off(answer: Answer) -> None:
        posted.append(answer)
        await answer.stream()
        await answer.event(id="e1", retry=retry)
        raise HangUp

    async def rest(answer: Answer) -> None:
        if "last-event-id" not in answer.headers:
            await answer.send(405)
            return
        await answer.stream()
        await answer.event(posted[0].response(result={}))
        await answer.end()

    async with opened(ScriptedEndpoint(on={"tools/call": break_off, "GET": rest})) as (session, _site):
        await trio.sleep(1)
        assert (await session.request(call())).fault is None
        assert trio.current_time() == pytest.approx(1 + paused)


async def test_a_backend_that_was_refused_is_given_up_when_the_last_call_from_before_has_ended(autojump_clock: Clock) -> None:
    """One that began later, and still waits for its connection, does not hold that up."""

    async def break_off(_answer: Answer) -> None:
        await trio.sleep(10)
        raise HangUp

    replies: list[tuple[float, Reply]] = []
    async with open_site(ScriptedEndpoint(on={"tools/call": break_off}, stateful=False)) as site:
        stuck = False

        async def dial(host: str, port: int) -> trio.abc.Stream:
            if stuck:
                await trio.sleep(60)
            return await site.open_stream(host, port)

        async with HttpConnector("web", "http://backend.test/mcp", {}, dial)(Heard()) as session, trio.open_nursery() as nursery:
            await shake_hands(session, name="test", version="1")
            assert isinstance(session, HttpSession)

            async def one() -> None:
                reply = await session.request(call())
                replies.append((trio.current_time(), reply))

            nursery.start_soon(one)
            await trio.sleep(1)
            await site.stop()
            await one()
            assert session.is_open
            stuck = True
            await trio.sleep(1)
            nursery.start_soon(one)
            await trio.sleep(6)
            assert session.is_open
            await session.wait_closed()
            assert trio.current_time() == pytest.approx(10)
            nursery.cancel_scope.cancel()
    assert [(when, reply.fault is not None) for when, reply in replies] == [(1, True), (10, True)]


async def test_a_log_line_over_the_limit_does_not_stand_for_the_answer(autojump_clock: Clock) -> None:
    async def chatter(answer: Answer) -> None:
        await answer.stream()
        await answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x" * 2000}})
        await answer.event(answer.response(result={}))
        await answer.end()

    async with opened(ScriptedEndpoint(on={"tools/call": chatter}), limit=1000) as (session, _):
        assert (await session.request(call())).fault is None
        assert session._unasked.tally.garbage == 1
