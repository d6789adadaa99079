"""One gateway behind another: what is said at the far end comes out at the near one, over our own server and our own client.

Both parsers run, on the network in memory and on the mock clock.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.front import HandClient
from tests.kit.messages import READY
from tests.kit.site import open_site

from sluicegate import Builder, Gateway
from sluicegate.config.model import TimeoutSettings
from sluicegate.outside import Outside
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.script import Delay, Echo, Reset, Step

CALLERS = 20
HELLO = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{}}}'
CALL = b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"web_chatter","_meta":{"progressToken":"t"}}}'


@attrs.define(eq=False)
class Pair:
    """Two gateways, and what stands behind the far one."""

    near: Gateway
    scripted: ScriptedBackend
    network: MemoryNetwork


@asynccontextmanager
async def pair(*steps: Step) -> AsyncGenerator[Pair]:
    network, scripted = MemoryNetwork(), ScriptedBackend(*steps, name="deep")
    outside = Outside(listen=network.listen, open_stream=network.open_stream)
    far = Builder("far").listen("127.0.0.1", 8081).backend("deep", scripted.connector)
    near = Builder("near").backend("far", "http://127.0.0.1:8081/mcp", timeout=TimeoutSettings(seconds=20.0))
    async with trio.open_nursery() as nursery:
        async with far.open(strict=True, outside=outside) as behind:
            await nursery.start(behind.serve)
            async with near.open(strict=True, outside=outside) as gateway:
                yield Pair(gateway, scripted, network)
        nursery.cancel_scope.cancel()


async def test_many_calls_at_once_each_get_their_own_answer(autojump_clock: trio.testing.MockClock) -> None:
    async with pair(Echo()) as gates:
        texts: dict[int, str] = {}

        async def one(number: int) -> None:
            reply = await gates.near.call_tool("far_deep_echo", {"text": f"n{number}", "padding": "x" * 1000 * number})
            texts[number] = reply.text

        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for number in range(CALLERS):
                    nursery.start_soon(one, number)
        assert all(f"n{number}" in texts[number] for number in range(CALLERS))
        assert gates.scripted.calls == 3 * CALLERS


async def test_a_megabyte_goes_both_ways(autojump_clock: trio.testing.MockClock) -> None:
    async with pair(Echo()) as gates:
        reply = await gates.near.call_tool("far_deep_echo", {"text": "x" * 1_000_000})
        assert reply.fault is None
        assert len(reply.text) >= 1_000_000


async def test_a_call_that_is_too_slow_is_given_up_on_both_sides(autojump_clock: trio.testing.MockClock) -> None:
    async with pair(Delay(60), Echo()) as gates:
        started = trio.current_time()
        reply = await gates.near.call_tool("far_deep_echo")
        assert reply.fault is not None
        assert (reply.fault.reason, trio.current_time() - started) == ("timeout", 20.0)
        await trio.sleep(0.1)
        assert gates.scripted.cancelled == [1]


async def test_a_backend_lost_at_the_far_end_is_a_fault_at_the_near_one_and_comes_back(autojump_clock: trio.testing.MockClock) -> None:
    async with pair(Reset(), Echo()) as gates:
        fault = (await gates.near.call_tool("far_deep_echo")).fault
        assert fault is not None
        assert "deep" in fault.message
        await trio.sleep(5)
        assert (await gates.near.call_tool("far_deep_echo")).fault is None


@pytest.mark.parametrize("pause", [0.5, 3.9, 4.1, 74.9, 75.1, 500])
async def test_a_pause_of_any_length_between_calls_costs_nothing(pause: float, autojump_clock: trio.testing.MockClock) -> None:
    """Our client drops idle connections before the far server does, and asks before it uses one again."""
    async with pair(Echo()) as gates:
        for _ in range(4):
            assert (await gates.near.call_tool("far_deep_echo")).fault is None
            await trio.sleep(pause)


async def test_a_caller_that_does_not_read_costs_a_bounded_amount_of_memory(autojump_clock: trio.testing.MockClock) -> None:
    """Progress comes faster than it is taken: the oldest is dropped, the reply is not."""
    notes = 2_000

    async def chatter(answer: Answer) -> None:
        await answer.stream()
        for number in range(notes):
            progress = {"progressToken": answer.message["params"]["_meta"]["progressToken"], "progress": number, "message": "x" * 10_000}
            await answer.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
        await answer.event(answer.response(result={"content": []}))
        await answer.end()

    async def tools(answer: Answer) -> None:
        await answer.result({"tools": [{"name": "chatter", "inputSchema": {}}]})

    network = MemoryNetwork(buffer=10_000)
    async with open_site(ScriptedEndpoint(on={"tools/call": chatter, "tools/list": tools})) as site, trio.open_nursery() as nursery:
        near = Builder("near").listen("127.0.0.1", 8080).backend("web", "http://backend.test/mcp")
        outside = Outside(listen=network.listen, open_stream=site.open_stream)
        async with near.open(strict=True, outside=outside) as gateway:
            await nursery.start(gateway.serve)
            client = HandClient(await network.open_stream("127.0.0.1", 8080))
            await client.say(post(HELLO))
            session = (await client.answer()).headers["mcp-session-id"]
            await client.say(post(READY, session))
            assert (await client.answer()).status == 202
            tracemalloc.start()
            await client.say(post(CALL, session))
            await trio.testing.wait_all_tasks_blocked()
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            told = (await client.answer()).body
            await client.close()
        nursery.cancel_scope.cancel()
    assert most < 5_000_000 < notes * 10_000
    assert b'"progress":1999' in told
    assert told.count(b'"result"') == 1


def post(body: bytes, session: str = "") -> bytes:
    lines = ["POST /mcp HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json, text/event-stream", "Content-Type: application/json"]
    lines += [f"Mcp-Session-Id: {session}"] if session else []
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
