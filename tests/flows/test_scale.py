"""What a call costs does not depend on how large the gateway is, and nothing large holds up the others. Steps are counted, not time."""

from __future__ import annotations

import functools
import gc
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from types import FrameType
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.doors import RawDoor
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.site import open_site
from tests.kit.unresumed import Unresumed

from sluicegate import Builder, Call, Gateway, Outside, Reply
from sluicegate.backends.attached import AttachedConnector
from sluicegate.frontends.endpoint import Limits, Opening
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.sessions import Session
from sluicegate.protocol.messages import Params, Raw, encode
from sluicegate.protocol.principal import NOBODY
from sluicegate.routing.directory import ListChange
from sluicegate.sources import Sources
from sluicegate.testing.memory_wire import MemoryNetwork

# The numbers that are promised. Taken from the source they would move with it.
FEW = 64
SWEEP_BATCH = 256

HELLO: dict[str, Any] = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
HEADERS = {"host": "localhost", "accept": "application/json, text/event-stream", "content-type": "application/json"}


@attrs.frozen
class Instant:
    """A session with a backend that answers at once, or never."""

    is_open = True
    tools: int = 1

    async def request(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        if call.method == "tools/call" and call.local == "wait":
            await trio.sleep_forever()
        return self._answers[call.method]

    def speak(self, version: str) -> None:
        del version

    def tell(self, method: str, params: Params) -> None:
        pass

    async def wait_closed(self) -> str:
        await trio.sleep_forever()
        raise AssertionError

    @functools.cached_property
    def _answers(self) -> dict[str, Reply]:
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("wait", *map(str, range(self.tools)))]
        answers = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "i", "version": "1"}},
            "tools/list": {"tools": tools},
            "tools/call": {"content": [{"type": "text", "text": "hello"}]},
        }
        return {method: Reply(Raw(encode(answer))) for method, answer in answers.items()}


@asynccontextmanager
async def opened(backends: int = 1, tools: int = 1) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x")
    for number in range(backends):
        builder.backend(f"b{number}", AttachedConnector(Instant(tools)))
    async with builder.open() as gateway:
        await gateway.settled()
        yield gateway


async def ask(
    gateway: Gateway, method: str, message: Mapping[str, object] | None = None, session: str = ""
) -> tuple[int, Mapping[bytes, bytes], bytes]:
    """One HTTP request as our own server hands it to the application: status, headers and body of the answer."""
    sent = HEADERS | ({"mcp-session-id": session} if session else {})
    parts: list[Mapping[str, Any]] = []

    async def receive() -> dict[str, object]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": b"" if message is None else json.dumps(message).encode()}

    async def send(part: Mapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        parts.append(part)

    headers = [(name.encode(), value.encode()) for name, value in sent.items()]
    extensions: dict[str, object] = {"sluicegate.disconnect": lambda _callback: None}
    scope = {"type": "http", "method": method, "path": "/mcp", "headers": headers, "extensions": extensions}
    await gateway.asgi_app(scope, receive, send)
    return parts[0]["status"], dict(parts[0]["headers"]), b"".join(part["body"] for part in parts[1:])


def request(method: str, id: int = 1, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


async def open_session(gateway: Gateway) -> str:
    _, headers, _ = await ask(gateway, "POST", request("initialize", **HELLO))
    session = headers[b"mcp-session-id"].decode()
    await ask(gateway, "POST", {"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
    return session


async def call(gateway: Gateway, session: str, name: str = "b0_0") -> None:
    status, _, body = await ask(gateway, "POST", request("tools/call", name=name), session)
    assert (status, b"hello" in body) == (200, True)


@contextmanager
def counting(steps: list[int]) -> Iterator[None]:
    """Count the bytecode instructions of our own code inside the block."""
    count = 0

    def look(frame: FrameType, event: str, _argument: object) -> Callable[..., Any] | None:
        nonlocal count
        if "sluicegate" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)
        steps.append(count)


async def steps_of(run: Callable[[], Awaitable[object]]) -> int:
    """The least that it takes; tasks that may run in any order make some difference."""
    steps: list[int] = []
    for _ in range(20):
        with counting(steps):
            await run()
    return min(steps[5:])


async def test_a_call_takes_the_same_steps_with_fifty_backends_as_with_one(autojump_clock: trio.testing.MockClock) -> None:
    found = []
    for number in (1, 50):
        async with opened(number, tools=20) as gateway:
            session = await open_session(gateway)
            found.append(await steps_of(functools.partial(call, gateway, session, f"b{number - 1}_{19}")))

    assert found[1] == pytest.approx(found[0], rel=0.01)


async def test_a_call_takes_the_same_steps_with_a_thousand_sessions_as_with_ten(autojump_clock: trio.testing.MockClock) -> None:
    found = []
    async with opened() as gateway:
        for number in (10, 1000):
            while len(gateway._app.sessions) < number:
                session = await open_session(gateway)
            found.append(await steps_of(functools.partial(call, gateway, session)))

    assert found[1] == pytest.approx(found[0], rel=0.01)


async def test_a_list_of_a_thousand_tools_takes_no_more_steps_than_two_calls(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(20, tools=50) as gateway:
        session = await open_session(gateway)
        _, _, body = await ask(gateway, "POST", request("tools/list"), session)
        one = await steps_of(functools.partial(call, gateway, session))
        listed = await steps_of(functools.partial(ask, gateway, "POST", request("tools/list"), session))

    assert len(json.loads(body)["result"]["tools"]) == 20 * 51
    assert listed <= 2 * one


async def left_by(run: Callable[[], Awaitable[object]]) -> int:
    """How many objects fifty runs leave to the garbage collector."""
    await run()
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            await run()
        await trio.testing.wait_all_tasks_blocked()
        return gc.collect()
    finally:
        gc.enable()


async def test_a_call_leaves_nothing_behind_for_the_garbage_collector(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as gateway:
        left = await left_by(functools.partial(call, gateway, await open_session(gateway)))

    assert left < 50, "less than one object for each call"


async def test_a_call_over_http_on_both_sides_leaves_nothing_behind_either(autojump_clock: trio.testing.MockClock) -> None:
    async def list_tools(answer: Answer) -> None:
        await answer.result({"tools": [{"name": "0", "inputSchema": {"type": "object"}}]})

    endpoint = ScriptedEndpoint({"tools/list": list_tools})
    async with open_site(endpoint) as site:
        network = MemoryNetwork()
        outside = Outside(listen=network.listen, open_stream=site.open_stream)
        builder = Builder("x").listen("127.0.0.1", 8080).backend("b0", "http://backend.test/mcp")
        async with builder.open(outside=outside, strict=True) as gateway, trio.open_nursery() as nursery:
            await nursery.start(gateway.serve)
            session, door = await open_session(gateway), RawDoor(network)
            headers = {name: value for name, value in HEADERS.items() if name != "host"} | {"mcp-session-id": session}

            async def call() -> None:
                async with door.request("POST", headers, encode(request("tools/call", name="b0_0"))) as response:
                    assert b"call " in await response.read_all()
                endpoint.seen.clear()

            left = await left_by(call)
            await door.aclose()
            nursery.cancel_scope.cancel()

    assert left < 50, "less than one object for each call"


@attrs.define(eq=False)
class Turns(trio.abc.Instrument):
    """How many tasks run between two looks at the sockets."""

    most: int = 0
    now: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def before_io_wait(self, timeout: float) -> None:
        self.now = 0


@contextmanager
def watching() -> Iterator[Turns]:
    turns = Turns()
    trio.lowlevel.add_instrument(turns)
    try:
        yield turns
    finally:
        trio.lowlevel.remove_instrument(turns)


CROWD = 10 * FEW
MOST = 3 * FEW
"""Tasks in one turn of the loop: those that were woken, and some that were about to run anyway."""


@asynccontextmanager
async def listening(gateway: Gateway, number: int) -> AsyncGenerator[list[str], None]:
    """So many sessions, each with an open stream; leaving the block waits for their end."""
    sessions = [await open_session(gateway) for _ in range(number)]
    async with trio.open_nursery() as clients:
        for session in sessions:
            clients.start_soon(ask, gateway, "GET", None, session)
        await trio.testing.wait_all_tasks_blocked()
        yield sessions


async def test_a_drain_ends_few_streams_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as gateway:
        with watching() as turns:
            async with listening(gateway, CROWD):
                turns.most = 0
                gateway.stop_accepting()

    assert turns.most <= MOST


async def test_news_for_all_reach_few_of_them_at_a_time_and_all_in_the_end(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as gateway:
        table = gateway._app.sessions
        with watching() as turns:
            async with listening(gateway, CROWD) as sessions:
                turns.most = 0
                table.announce(ListChange(frozenset({"notifications/tools/list_changed"})))
                await trio.sleep(1)
                most = turns.most
                told = [session.told for session in table._sessions.values()]
                gateway.stop_accepting()

    assert most <= MOST
    assert told == [1] * len(sessions)


async def test_the_end_of_a_session_ends_few_of_its_calls_at_a_time_and_all_in_the_end(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as gateway, trio.open_nursery() as clients:
        session = await open_session(gateway)
        for number in range(CROWD):
            clients.start_soon(ask, gateway, "POST", request("tools/call", number, name="b0_wait"), session)
        await trio.testing.wait_all_tasks_blocked()
        with watching() as turns:
            status, _, _ = await ask(gateway, "DELETE", None, session)
            await trio.sleep(0.5)

    assert status == 200
    assert turns.most <= MOST
    assert trio.current_time() < 1, "all calls have ended"


async def test_a_session_that_ends_is_not_there_any_more_even_while_its_calls_end(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as gateway, trio.open_nursery() as clients:
        session = await open_session(gateway)
        for number in range(CROWD):
            clients.start_soon(ask, gateway, "POST", request("tools/call", number, name="b0_wait"), session)
        await trio.testing.wait_all_tasks_blocked()
        await ask(gateway, "DELETE", None, session)
        running = gateway.backends["b0"].in_flight
        status, _, _ = await ask(gateway, "POST", request("ping"), session)

    assert running > 0
    assert status == 404


async def test_ten_thousand_idle_sessions_end_in_batches(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    table = SessionTable(Limits(), Sources.seeded(1))
    for _ in range(10_000):
        table.open(Opening("2025-11-25", {}), NOBODY)
    ended: list[int] = []

    class Look(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            ended.append(len(table))

    trio.lowlevel.add_instrument(look := Look())
    nursery.start_soon(table.sweep)
    await trio.sleep(table.limits.session_idle_seconds + 60)
    trio.lowlevel.remove_instrument(look)
    nursery.cancel_scope.cancel()

    assert len(table) == 0
    assert max(before - after for before, after in pairwise(ended)) <= SWEEP_BATCH


async def test_a_sweeper_that_has_nothing_to_wait_for_does_not_spin(nursery: trio.Nursery) -> None:
    table = SessionTable(Limits(orphan_seconds=0), Sources.seeded(1))
    nursery.start_soon(table.sweep)
    for _ in range(10):
        await trio.lowlevel.checkpoint()

    assert trio.lowlevel.current_statistics().tasks_runnable == 0
    nursery.cancel_scope.cancel()


async def test_thousands_of_finished_answers_are_dropped_when_their_time_is_over(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    table = SessionTable(Limits(orphan_seconds=10), Sources.seeded(1))
    sessions = [session for _ in range(1000) if isinstance(session := table.open(Opening("2025-11-25", {}), NOBODY), Session)]
    nursery.start_soon(table.sweep)
    for session in sessions:
        log = session.open_stream(Unresumed())
        log.put(b"x" * 1000, is_note=False)
        log.end()
        table.keep(session, log)
    await trio.sleep(25)
    nursery.cancel_scope.cancel()

    assert [len(session.answers) for session in sessions] == [0] * 1000
