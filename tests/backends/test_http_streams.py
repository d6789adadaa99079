"""The HTTP backend's streams: answers as events, their resumption, the standing stream. In memory, on the mock clock."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.session import HttpSession
from sluicegate.backends.session import BackendSession
from sluicegate.http1.server.server import HangUp
from sluicegate.protocol.calls import Call
from sluicegate.protocol.faults import Cause
from sluicegate.protocol.messages import Raw

CHANGED = "notifications/tools/list_changed"


def call(heard: Heard, token: object = "mine") -> Call:
    params = {"name": "x", "_meta": {"progressToken": token, "other": 1}}
    return Call("tools/call", "x", {key: Raw(msgspec.json.encode(value)) for key, value in params.items()}, back=heard)


@asynccontextmanager
async def bench(endpoint: ScriptedEndpoint, heard: Heard, *, limit: int = 10_000) -> AsyncGenerator[BackendSession]:
    """Open a session and shake hands; afterwards nothing of it may be left."""
    async with open_site(endpoint) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=limit)
        async with connector(heard) as session:
            await shake_hands(session, name="test", version="1")
            yield session


def progress(answer: Answer, amount: float, token: object = None) -> dict[str, object]:
    own = answer.message["params"]["_meta"]["progressToken"] if token is None else token
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": own, "progress": amount}}


def notification(method: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": method, "params": {"level": "info", "data": "hello"}}


async def test_notes_of_a_call_come_back_under_the_callers_token(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(progress(answer, 1))
        await answer.event(progress(answer, 2, token=4711))
        await answer.event(notification("notifications/message"))
        await answer.event(notification(CHANGED))
        await answer.event(answer.response(result={"ok": True}))
        await answer.event(progress(answer, 3))
        await answer.end()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": talk}), heard) as session:
        assert (await session.request(call(heard))).value == {"ok": True}
        assert trio.current_time() == 0.0
    assert [note["method"] for note in heard.messages] == ["notifications/progress", "notifications/message"]
    assert heard.messages[0]["params"] == {"progressToken": "mine", "progress": 1}
    assert heard.methods == [CHANGED]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"jsonrpc": "1.0", "result": {}}, "bad_answer"),
        ({"result": {}, "error": {"code": 1, "message": "x"}}, "bad_answer"),
        ({"result": []}, "bad_answer"),
        ({"id": None, "error": {"code": -32600, "message": "no"}}, ""),
    ],
)
async def test_an_answer_that_cannot_be_used_fails_its_call_although_its_stream_stays_open(
    members: dict[str, object], reason: str, autojump_clock: trio.testing.MockClock
) -> None:
    """The same rules as on a channel; an error without an id belongs to the POST that it answers."""

    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(answer.response() | members)
        await answer.wait_gone()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": talk}), heard) as session:
        with trio.fail_after(1):
            reply = await session.request(call(heard))
        assert reply.fault is not None
        assert reply.fault.reason == reason


async def test_an_error_without_an_id_in_the_body_of_an_answer_is_the_calls(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(answer: Answer) -> None:
        await answer.json({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "not like this"}})

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": refuse}), heard) as session:
        reply = await session.request(call(heard))
        assert reply.fault is not None
        assert (reply.fault.cause, reply.fault.code, reply.fault.message) == (Cause.BACKEND, -32600, "not like this")


async def test_what_is_garbled_on_a_stream_and_about_no_call_fails_none(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event({"jsonrpc": "1.0", "id": 4711, "result": {}})
        await answer.event({"jsonrpc": "2.0", "id": 4711, "result": {}})
        await answer.event({"jsonrpc": "2.0", "id": None})
        await answer.event(answer.response(result={"ok": True}))
        await answer.end()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": talk}), heard) as session:
        assert (await session.request(call(heard))).value == {"ok": True}


async def test_a_stream_that_stays_open_after_the_answer_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(answer.response(result={}))
        await answer.wait_gone()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": talk}), heard) as session:
        assert (await session.request(call(heard))).fault is None
        assert trio.current_time() == pytest.approx(0.05)


async def test_a_backends_questions_are_answered(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event({"jsonrpc": "2.0", "id": "p", "method": "ping"})
        await answer.event({"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {}})
        await trio.testing.wait_all_tasks_blocked()
        await answer.event(answer.response(result={}))
        await answer.end()

    endpoint, heard = ScriptedEndpoint(on={"tools/call": talk}), Heard()
    async with bench(endpoint, heard) as session:
        await session.request(call(heard))
        answers = {answer.message["id"]: answer.message for answer in endpoint.seen if answer.message.get("id") in {"p", "q"}}
        assert answers["p"]["result"] == {}
        assert answers["q"]["error"]["code"] == -32601


async def test_an_oversized_event_costs_one_call(autojump_clock: trio.testing.MockClock) -> None:
    async def flood(answer: Answer) -> None:
        await answer.stream()
        await answer.event(answer.response(result={"text": "x" * 20_000}))
        await answer.wait_gone()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": flood}), heard) as session:
        reply = await session.request(call(heard))
        assert reply.fault is not None
        assert "larger than 10000 bytes" in reply.fault.message


async def test_a_broken_stream_with_ids_is_resumed_and_nothing_is_sent_twice(autojump_clock: trio.testing.MockClock) -> None:
    posted: list[Answer] = []

    async def talk(answer: Answer) -> None:
        posted.append(answer)
        await answer.stream()
        await answer.event(id="e1", retry=3000)
        await answer.event(progress(answer, 1), id="e2")
        raise HangUp

    async def resume(answer: Answer) -> None:
        if answer.headers.get("last-event-id") != "e2":
            await answer.send(405)
            return
        await answer.stream()
        await answer.event(progress(posted[0], 2), id="e3")
        await answer.event(posted[0].response(result={"ok": True}), id="e4")
        await answer.end()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": talk, "GET": resume}), heard) as session:
        assert (await session.request(call(heard))).value == {"ok": True}
        assert trio.current_time() == 3.0
    assert len(heard.notes) == 2
    assert len(posted) == 1


async def test_a_resumption_that_yields_nothing_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(id="e1")
        await answer.end()

    async def resume(answer: Answer) -> None:
        await answer.stream()
        await answer.end()

    endpoint, heard = ScriptedEndpoint(on={"tools/call": talk, "GET": resume}), Heard()
    async with bench(endpoint, heard) as session:
        reply = await session.request(call(heard))
        assert reply.fault is not None
        assert (reply.fault.cause, reply.fault.started) == (Cause.TRANSPORT, True)
    assert len([answer for answer in endpoint.seen if "last-event-id" in answer.headers]) == 5


async def test_a_refused_resumption_is_a_lost_call(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(id="e1")
        raise HangUp

    async def refuse(answer: Answer) -> None:
        await answer.send(405)

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": talk, "GET": refuse}), heard) as session:
        reply = await session.request(call(heard))
        assert reply.fault is not None
        assert "HTTP 405" in reply.fault.message


async def test_the_standing_stream_is_resumed_where_it_broke(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[tuple[float, str]] = []

    async def stream(answer: Answer) -> None:
        asked.append((trio.current_time(), answer.headers.get("last-event-id", "")))
        await answer.stream()
        await answer.event(notification(CHANGED), id=f"g{len(asked)}", retry=2000)
        await trio.sleep(10)
        if len(asked) < 3:
            raise HangUp
        await answer.wait_gone()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"GET": stream}), heard):
        await trio.sleep(60)
    assert asked == [(0.0, ""), (12.0, "g1"), (24.0, "g2")]
    assert heard.methods == [CHANGED] * 3


async def test_a_standing_stream_without_ids_counts_a_gap_as_a_change(autojump_clock: trio.testing.MockClock) -> None:
    opened = 0

    async def stream(answer: Answer) -> None:
        nonlocal opened
        opened += 1
        await answer.stream()
        if opened > 1:
            await answer.wait_gone()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"GET": stream}), heard):
        await trio.sleep(0.5)
        assert heard.methods == []
        await trio.sleep(60)
    assert CHANGED in heard.methods
    assert opened == 2


async def test_a_standing_stream_that_keeps_failing_is_asked_for_ever_more_rarely(autojump_clock: trio.testing.MockClock) -> None:
    times: list[float] = []

    async def fail(answer: Answer) -> None:
        times.append(trio.current_time())
        await answer.send(502)

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"GET": fail}), heard) as session:
        await trio.sleep(100)
        assert (await session.request(call(heard))).fault is None
    assert times == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 61.0, 91.0]


@pytest.mark.parametrize("status", [405, 404, 400, 410, 422])
async def test_a_backend_without_a_standing_stream_is_asked_once(status: int, autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(answer: Answer) -> None:
        await answer.send(status)

    endpoint, heard = ScriptedEndpoint(on={"GET": refuse}), Heard()
    async with bench(endpoint, heard):
        await trio.sleep(1000)
    assert endpoint.methods().count("GET") == 1


@pytest.mark.parametrize("status", [404, 400, 410, 422])
async def test_a_session_found_lost_by_the_standing_stream_is_opened_again(status: int, autojump_clock: trio.testing.MockClock) -> None:
    """Servers say in one of four ways that they do not know a session."""
    endpoint, heard = ScriptedEndpoint(), Heard()

    async def stream(answer: Answer) -> None:
        await answer.stream()
        await trio.sleep(5)
        endpoint.forget()
        if status == 404:
            endpoint.on.pop("GET")
        else:
            endpoint.on["GET"] = refuse
        raise HangUp

    async def refuse(answer: Answer) -> None:
        endpoint.on.pop("GET")
        await answer.send(status)

    endpoint.on["GET"] = stream
    async with bench(endpoint, heard):
        await trio.sleep(60)
        assert endpoint.session == "session-2"
        assert endpoint.seen[-1].method == "GET"
        assert endpoint.seen[-1].headers["mcp-session-id"] == "session-2"


async def test_a_backend_that_vanishes_while_nobody_calls_ends_the_session(autojump_clock: trio.testing.MockClock) -> None:
    async def stream(answer: Answer) -> None:
        await answer.stream()
        await trio.sleep(5)
        await site.stop()
        raise HangUp

    endpoint, heard = ScriptedEndpoint(on={"GET": stream}), Heard()
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(heard) as session:
        await shake_hands(session, name="test", version="1")
        assert "cannot connect" in str(await session.wait_closed())
        assert trio.current_time() == 6.0


async def test_leaving_does_not_wait_for_a_stream_that_is_to_be_resumed_later(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(id="e1", retry=20_000)
        raise HangUp

    heard, faults = Heard(), list[str]()
    async with trio.open_nursery() as nursery, bench(ScriptedEndpoint(on={"tools/call": talk}), heard) as session:

        async def one() -> None:
            reply = await session.request(call(heard))
            assert reply.fault is not None
            faults.append(reply.fault.message)

        nursery.start_soon(one)
        await trio.sleep(5)
    assert trio.current_time() == 5.0
    assert faults == ["backend 'web' went away before it answered: the gateway closed the session"]


@pytest.mark.parametrize(("id", "sent"), [("\N{SNOWMAN} 1", "\N{SNOWMAN} 1"), ("\x01", None)])
async def test_any_id_that_can_be_sent_back_is(id: str, sent: str | None, autojump_clock: trio.testing.MockClock) -> None:
    """UTF-8, as browsers do it; control characters cannot stand in a header, so nothing can be resumed after them."""
    posted: list[Answer] = []

    async def talk(answer: Answer) -> None:
        posted.append(answer)
        await answer.stream()
        await answer.event(id=id)
        raise HangUp

    async def stream(answer: Answer) -> None:
        await answer.stream()
        if "last-event-id" not in answer.headers:
            await answer.wait_gone()
            return
        await answer.event(posted[0].response(result={"id": answer.headers["last-event-id"]}), id="x")
        await answer.end()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": talk, "GET": stream}), heard) as session:
        reply = await session.request(call(heard))
        if sent is None:
            assert reply.fault is not None
            assert "ended before it was complete" in reply.fault.message
        else:
            assert reply.value == {"id": sent}


async def test_a_standing_stream_goes_on_after_ids_and_events_of_no_use(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[str | None] = []

    async def stream(answer: Answer) -> None:
        asked.append(answer.headers.get("last-event-id"))
        await answer.stream()
        await answer.event({"padding": "x" * 20_000})
        await answer.event(notification(CHANGED), id="\x01")
        if len(asked) < 2:
            raise HangUp
        await answer.wait_gone()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"GET": stream}), heard):
        await trio.sleep(10)
    assert asked == [None, None]
    assert heard.methods.count(CHANGED) >= 2


async def test_progress_that_comes_on_the_standing_stream_finds_its_call(autojump_clock: trio.testing.MockClock) -> None:
    calls: list[Answer] = []

    async def slow(answer: Answer) -> None:
        calls.append(answer)
        await trio.sleep(5)
        await answer.result({})

    async def stream(answer: Answer) -> None:
        await answer.stream()
        await trio.sleep(1)
        await answer.event(progress(calls[0], 1))
        await answer.event(progress(calls[0], 1, token=4711))
        await answer.wait_gone()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": slow, "GET": stream}), heard) as session:
        assert (await session.request(call(heard))).fault is None
    assert [note["params"]["progressToken"] for note in heard.messages] == ["mine"]


async def test_a_server_that_wants_to_be_asked_again_at_once_is_asked_ten_times_a_second(autojump_clock: trio.testing.MockClock) -> None:
    """With ``retry: 0`` and an event each time, neither the standing stream nor a resumption may turn into a loop without a pause."""
    asked = dict[str, int]()

    async def brief(answer: Answer) -> None:
        where = answer.headers.get("last-event-id", "s").partition("-")[0]
        asked[where] = asked.get(where, 0) + 1
        await answer.stream()
        await answer.event(notification("notifications/message"), id=f"{where}-{asked[where]}", retry=0)
        await answer.end()

    async def begin(answer: Answer) -> None:
        await answer.stream()
        await answer.event(id="c-0", retry=0)
        await answer.end()

    heard = Heard()
    async with bench(ScriptedEndpoint(on={"tools/call": begin, "GET": brief}), heard) as session:
        with trio.move_on_after(9.95):
            await session.request(call(heard))
    assert asked == {"s": 100, "c": 99}


async def test_a_session_that_is_lost_before_its_standing_stream_was_ever_open_is_opened_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody else would notice before the next call, and what the backend says until then would be lost."""
    tries = 0

    async def fall_at_first(answer: Answer) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise HangUp
        await answer.stream()
        await answer.wait_gone()

    heard, endpoint = Heard(), ScriptedEndpoint(on={"GET": fall_at_first})
    async with bench(endpoint, heard):
        await trio.testing.wait_all_tasks_blocked()
        endpoint.forget()
        await trio.sleep(5)
        assert (endpoint.methods().count("initialize"), tries) == (2, 2)
        assert CHANGED in heard.methods


async def test_after_it_was_left_a_session_answers_nobody_and_leaves_no_connection(autojump_clock: trio.testing.MockClock) -> None:
    """Also where the farewell is answered without an end."""

    async def for_ever(answer: Answer) -> None:
        await answer.stream()
        await answer.wait_gone()

    endpoint = ScriptedEndpoint(on={"DELETE": for_ever})
    async with open_site(endpoint) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=10_000)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1")
            await trio.testing.wait_all_tasks_blocked()
            assert isinstance(session, HttpSession)
            await session.leave()
            await trio.testing.wait_all_tasks_blocked()
            assert (site.open, site.running, trio.current_time()) == (0, 0, 0.0)
            seen = len(endpoint.seen)
            session.respond(b'{"jsonrpc":"2.0","id":1,"result":{}}', "ping")
            await trio.testing.wait_all_tasks_blocked()
            assert len(endpoint.seen) == seen


async def test_a_stream_that_breaks_is_a_failure_before_the_answer_and_none_after_it(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        if answer.message["params"]["name"] == "x" and answer.message["id"] == 2:
            await answer.event(answer.response(result={"ok": True}))
        raise HangUp

    async with bench(ScriptedEndpoint(on={"tools/call": talk}), Heard()) as session:
        first, second = [await session.request(call(Heard())) for _ in range(2)]
    assert (first.fault, first.value) == (None, {"ok": True})
    assert second.fault is not None
    assert "the connection was closed in the middle of the answer" in second.fault.told
