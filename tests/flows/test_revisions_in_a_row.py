"""One gateway behind another, which it speaks to in the revision without a handshake: what clients of either kind get through both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, Call, Gateway
from sluicegate.outside import Outside
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.script import Delay, Echo, Note, RpcError, Step

NEW = "2026-07-28"


@attrs.define(eq=False)
class Row:
    near: Gateway
    far: Gateway
    scripted: ScriptedBackend


@asynccontextmanager
async def row(*steps: Step, revision: str | None = NEW) -> AsyncGenerator[Row]:
    network, scripted = MemoryNetwork(), ScriptedBackend(*steps, name="deep", tools=["echo"])
    outside = Outside(listen=network.listen, open_stream=network.open_stream)
    far = Builder("far").listen("127.0.0.1", 8081).backend("deep", scripted.connector)
    near = Builder("near").backend("far", "http://127.0.0.1:8081/mcp", **({"revision": revision} if revision else {}))
    async with trio.open_nursery() as nursery:
        async with far.open(strict=True, outside=outside) as behind:
            await nursery.start(behind.serve)
            async with near.open(strict=True, outside=outside) as gateway:
                yield Row(gateway, behind, scripted)
        nursery.cancel_scope.cancel()


async def test_a_call_goes_through_both_and_nobody_has_a_session(autojump_clock: trio.testing.MockClock) -> None:
    async with row(Echo()) as gates:
        reply = await gates.near.call_tool("far_deep_echo", {"text": "hello"})
        assert (reply.fault, "hello" in reply.text) == (None, True)
        assert "resultType" not in reply.value  # the program in front is of no revision that knows it
        state = next(iter(gates.near.backends))
        assert gates.near.backends[state].offer is not None


async def test_what_changes_far_away_is_told_near(autojump_clock: trio.testing.MockClock) -> None:
    async with row(Echo()) as gates:
        await trio.sleep(1)
        assert list(gates.near.catalogue.names(TOOLS)) == ["far_deep_echo"]
        await gates.far.remove_backend("deep")
        await trio.sleep(5)
        assert list(gates.near.catalogue.names(TOOLS)) == []


async def test_an_error_of_the_far_end_arrives_whole(autojump_clock: trio.testing.MockClock) -> None:
    async with row(RpcError(-31000, "own")) as gates:
        fault = (await gates.near.call_tool("far_deep_echo", {})).fault
        assert fault is not None
        assert (fault.code, fault.message) == (-31000, "own")


async def test_a_call_that_is_given_up_near_is_given_up_far(autojump_clock: trio.testing.MockClock) -> None:
    async with row(Delay(60), Echo()) as gates:
        with trio.move_on_after(1):
            await gates.near.call_tool("far_deep_echo", {})
        await trio.sleep(1)
        assert [message.method for message in gates.scripted.received].count("notifications/cancelled") == 1
        assert gates.scripted.cancelled == [1]


@pytest.mark.parametrize("revision", [None, "2025-11-25"])
async def test_one_that_speaks_both_is_spoken_to_with_a_handshake_unless_told_otherwise(
    autojump_clock: trio.testing.MockClock, revision: str | None
) -> None:
    async with row(Note(0.5, Delay(1, Echo())), revision=revision) as gates:
        assert (await gates.near.call_tool("far_deep_echo", {"text": "x"})).fault is None


async def test_what_one_backend_has_said_never_reaches_another(autojump_clock: trio.testing.MockClock) -> None:
    """P-102: also where the name has gone to another backend since."""
    scripted = ScriptedBackend(Echo(), name="b", tools=["echo"])
    async with Builder("x").backend("b", scripted.connector).open(strict=True) as gateway:
        call = Call.tool("b_echo")
        call.trail.bound_to = "another"
        fault = (await gateway.handler(call)).fault
        assert fault is not None
        assert fault.reason == "stale_request_state"
        assert "tools/call" not in [message.method for message in scripted.received]
