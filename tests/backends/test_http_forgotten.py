"""All the ways in which servers say that a session is gone: one new handshake, and the call once more only where it certainly did not run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import process_time

import msgspec
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.forgotten import memory_of
from sluicegate.backends.session import BackendSession
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import backend_error
from sluicegate.protocol.messages import Raw

Error = dict[str, object]


def call(method: str = "tools/call") -> Call:
    return Call(method, method, {"name": Raw(b'"echo"'), "uri": Raw(b'"x:y"')})


@asynccontextmanager
async def session_with(endpoint: ScriptedEndpoint) -> AsyncGenerator[BackendSession]:
    """A session after its handshake; it has no stream of its own, which would notice the loss first."""
    endpoint.on.setdefault("GET", no_stream)
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
        await shake_hands(session, name="test", version="1")
        yield session


async def no_stream(answer: Answer) -> None:
    await answer.send(405)


def error(code: int, message: str, **members: object) -> Error:
    return {"error": {"code": code, "message": message}, **members}


FORGOTTEN: dict[str, tuple[int, Error | bytes]] = {
    "404": (404, b"Session not found"),
    "404, empty": (404, b""),
    "404, -32001": (404, error(-32001, "Session not found", id=None)),
    "404, -32005": (404, error(-32005, "gone")),
    "200, -32005 without an id": (200, error(-32005, "gone", id=None)),
    "200, -32001 without an id": (200, error(-32001, "Session not found", id=None)),
    "400, not initialized": (400, error(-32000, "Bad Request: Server not initialized", id=None)),
    "400 names the session": (400, error(-32000, "No valid session ID")),
    "400, a page that names the session": (400, b"Bad Request: No valid session ID provided"),
    "400 names a session of some kind": (400, error(-32000, "transport session 7 is gone")),
    "200, without an id, names a session of some kind": (200, error(-32000, "transport session 7 is gone", id=None)),
    "422, expects an initialize": (422, b"Unexpected message, expect initialize request"),
    "422, in a message": (422, error(-32600, "expected an initialize request", id=None)),
    "401 names the session": (401, b'{"error":"invalid session"}'),
    "410 names the session": (410, b"Session expired"),
    "200, -32600 names a session": (200, error(-32600, "Bad Request: no valid session")),
    "200, -32600 names the session": (200, error(-32600, "missing or invalid Mcp-Session-Id")),
    "200, -32002, not initialized": (200, error(-32002, "Server not initialized")),
    "200, -32600, not initialized": (200, error(-32600, "Invalid Request: the server was not initialized")),
    "200, -32001 names the session": (200, error(-32001, "Session not found")),
    "200, -32000, an SDK's own words": (200, error(-32000, "Bad Request: Server not initialized")),
    "200, -32602, an SDK's own words": (200, error(-32602, "Received request before initialization was complete")),
    "400, -32602, an SDK's own words": (400, error(-32602, "Received request before initialization was complete")),
    "200, without an id": (200, error(-32000, "Server not initialized", id=None)),
}


async def say(answer: Answer, status: int, what: Error | bytes) -> None:
    if isinstance(what, bytes):
        await answer.send(status, what)
    else:
        await answer.json(answer.response(**what), status)


@pytest.mark.parametrize("how", FORGOTTEN)
async def test_a_session_that_is_gone_is_opened_once_for_all_and_their_calls_are_run(
    how: str, autojump_clock: trio.testing.MockClock
) -> None:
    async def lost_once(answer: Answer) -> None:
        if answer.headers["mcp-session-id"] == "session-1":
            await say(answer, *FORGOTTEN[how])
        else:
            await answer.result({"content": []})

    endpoint = ScriptedEndpoint(on={"tools/call": lost_once})
    replies: list[Reply] = []
    async with session_with(endpoint) as session:

        async def one() -> None:
            replies.append(await session.request(call()))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
        assert (await session.request(call())).fault is None
    assert [reply.fault for reply in replies] == [None] * 5
    assert endpoint.methods().count("initialize") == 2


OWN_ERRORS: dict[str, tuple[int, Error | bytes]] = {
    "-32005 under the call's id": (200, error(-32005, "mine")),
    "-32001 under the call's id": (200, error(-32001, "mine")),
    "a time that ran out": (200, error(-32001, "Request timed out")),
    "a resource that is not there": (200, error(-32002, "Resource not found")),
    "a database that is not initialized": (200, error(-32002, "Database not initialized")),
    "a session of a tool's own": (200, error(-32000, "no such browser session")),
    "a browser's session that is not initialized": (200, error(-32600, "Browser session not initialized; call open_browser first")),
    "a session of some kind": (200, error(-32600, "transport session 7 is gone")),
    "a client of a tool's own": (200, error(-32600, "The Redis client is not initialized")),
    "a connection of a tool's own": (200, error(-32002, "database connection was not initialized")),
    "a session among what it was given": (400, error(-32602, "Invalid arguments: session_id is required")),
    "an invalid request": (200, error(-32600, "Invalid Request")),
    "a method that is not there": (404, error(-32601, "Method not found")),
    "no access": (401, b"invalid_token"),
    "no sense": (400, b"Bad Request"),
    "trouble": (500, b"Internal Server Error"),
    "trouble that names a session": (500, b"cannot write session log"),
}


@pytest.mark.parametrize("what", OWN_ERRORS)
async def test_an_error_of_its_own_costs_one_call_and_the_tool_runs_once(what: str, autojump_clock: trio.testing.MockClock) -> None:
    async def fail(answer: Answer) -> None:
        await say(answer, *OWN_ERRORS[what])

    endpoint = ScriptedEndpoint(on={"tools/call": fail})
    async with session_with(endpoint) as session:
        assert (await session.request(call())).fault is not None
    assert endpoint.methods().count("tools/call") == 1
    assert endpoint.methods().count("initialize") == 1


@pytest.mark.parametrize(("method", "times"), [("tools/call", 1), ("resources/read", 2), ("tools/list", 2), ("ping", 2)])
async def test_where_nobody_knows_whether_it_was_run_only_what_does_no_harm_is_sent_again(
    method: str, times: int, autojump_clock: trio.testing.MockClock
) -> None:
    async def terminated(answer: Answer) -> None:
        if answer.headers["mcp-session-id"] == "session-1":
            await answer.json(answer.response(**error(-32603, "Session terminated")), 500)
        else:
            await answer.result({})

    endpoint = ScriptedEndpoint(on={method: terminated})
    async with session_with(endpoint) as session:
        reply = await session.request(call(method))
        assert (reply.fault is None) == (times == 2)
        assert endpoint.methods().count(method) == times
        assert (await session.request(call())).fault is None
    assert endpoint.methods().count("initialize") == 2


async def test_a_stream_that_has_spoken_of_the_call_and_then_loses_the_session_is_in_doubt(autojump_clock: trio.testing.MockClock) -> None:
    """The tool ran when the session was ended, and it must not run twice."""

    async def ended(answer: Answer) -> None:
        await answer.stream()
        await answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "half of it is paid"}})
        await answer.event(answer.response(**error(-32001, "Session not found", id=None)))
        await answer.end()

    endpoint = ScriptedEndpoint(on={"tools/call": ended})
    async with session_with(endpoint) as session:
        assert (await session.request(call())).fault is not None
        assert endpoint.methods().count("tools/call") == 1
        await session.request(call("ping"))
    assert endpoint.methods().count("initialize") == 2


@pytest.mark.parametrize("as_stream", [False, True])
async def test_an_error_without_an_id_behind_the_calls_own_changes_nothing_about_it(
    as_stream: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def twice(answer: Answer) -> None:
        both = [answer.response(**error(-32005, "mine")), answer.response(**error(-32005, "gone", id=None))]
        if as_stream:
            await answer.stream()
            await answer.event(both)
            await answer.end()
        else:
            await answer.json(both)

    endpoint = ScriptedEndpoint(on={"tools/call": twice})
    async with session_with(endpoint) as session:
        assert (await session.request(call())).fault is not None
    assert endpoint.methods().count("tools/call") == 1
    assert endpoint.methods().count("initialize") == 1


async def test_a_session_that_the_call_itself_speaks_of_is_not_the_protocols(autojump_clock: trio.testing.MockClock) -> None:
    """A caller who names a shell that is gone must not cost all others the session that they share."""

    async def no_shell(answer: Answer) -> None:
        await answer.json(answer.response(**error(-32600, "Session not found")))

    endpoint = ScriptedEndpoint(on={"tools/call": no_shell})
    async with session_with(endpoint) as session:
        params = {"name": Raw(b'"send_keys"'), "arguments": Raw(b'{"sessionId":"7"}')}
        fault = (await session.request(Call("tools/call", "send_keys", params))).fault
    assert fault is not None
    assert fault.message == "Session not found"
    assert endpoint.methods().count("tools/call") == 1
    assert endpoint.methods().count("initialize") == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_what_is_in_doubt_is_no_call_that_was_not_begun(status: int, autojump_clock: trio.testing.MockClock) -> None:
    """Else a policy, which may repeat whatever did not begin, would run the tool twice."""

    async def terminated(answer: Answer) -> None:
        await answer.json(answer.response(**error(-32603, "Session terminated")), status)

    async with session_with(ScriptedEndpoint(on={"tools/call": terminated})) as session:
        fault = (await session.request(call())).fault
    assert fault is not None
    assert fault.started
    assert not fault.may_be_repeated(safe=False)


async def test_a_server_without_ids_that_has_restarted_is_initialized_anew(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint(stateful=False)

    async def restarted(answer: Answer) -> None:
        if endpoint.methods().count("initialize") == 1:
            await answer.json(answer.response(**error(-32000, "Bad Request: Server not initialized", id=None)), 400)
        else:
            await answer.result({})

    endpoint.on["tools/call"] = restarted
    async with session_with(endpoint) as session:
        assert (await session.request(call())).fault is None


async def test_a_server_that_always_wants_to_be_initialized_is_asked_twice_a_call_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def never(answer: Answer) -> None:
        await answer.json(answer.response(**error(-32600, "missing or invalid Mcp-Session-Id")))

    endpoint = ScriptedEndpoint(on={"tools/call": never})
    async with session_with(endpoint) as session:
        for _ in range(3):
            assert (await session.request(call())).fault is not None
    assert endpoint.methods().count("tools/call") == 6


async def test_a_server_that_wants_to_be_initialized_in_answer_to_just_that_has_refused_it(autojump_clock: trio.testing.MockClock) -> None:
    async def never(answer: Answer) -> None:
        await answer.json(answer.response(**error(-32000, "Bad Request: Server not initialized")), 400)

    endpoint = ScriptedEndpoint(on={"initialize": never})
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
        fault = (await session.request(Call("initialize", "initialize", {}))).fault
    assert fault is not None
    assert fault.message == "Bad Request: Server not initialized"
    assert endpoint.methods() == ["initialize"]


async def test_the_words_of_a_stream_count_as_those_of_a_body(autojump_clock: trio.testing.MockClock) -> None:
    async def lost_once(answer: Answer) -> None:
        lost = answer.headers["mcp-session-id"] == "session-1"
        members: Error = error(-32600, "unknown session") if lost else {"result": {}}
        await answer.stream()
        await answer.event(answer.response(**members))
        await answer.end()

    async with session_with(ScriptedEndpoint(on={"tools/call": lost_once})) as session:
        reply = await session.request(call())
        assert msgspec.json.decode(reply.result) == {}


def test_an_error_is_read_in_a_time_that_grows_with_its_length_alone() -> None:
    fault = backend_error("b", Raw(b'{"code":-32600,"message":"%b"}' % (b"expect" * 100_000)))
    began = process_time()

    memory_of(400, fault, has_id=True, unnamed=True)

    assert process_time() - began < 1  # 15 ms; an hour where the beginning of a word was looked for at each letter
