"""Stand-ins that do not have what is asked for, and attempts that still wind up when a call is answered. In virtual time."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Builder
from sluicegate.config.model import TimeoutSettings
from sluicegate.policies.settings import HedgeSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.routing.failover import Candidate, Failover
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Hang, Reset, RpcError

Clock = trio.testing.MockClock
_FAULT = faults.lost("a", "gone")
OTHER = {"name": "other", "annotations": {"readOnlyHint": True}}


async def test_a_stand_in_that_does_not_list_the_tool_does_not_hide_what_went_wrong(autojump_clock: Clock) -> None:
    """FO-3: it would say "unknown tool" (-32602), which a caller takes for its own mistake, and nobody would ask the next one."""
    poor, rich = ScriptedBackend(RpcError(-32602), tools=[OTHER]), ScriptedBackend(Answer("rich"), tools=[SAFE, OTHER])
    builder = Builder("x").backend("a", ScriptedBackend(Reset(), tools=[SAFE]).connector).backend("poor", poor.connector, failover_for="a")
    async with builder.open() as gateway:
        await gateway.settled()
        reply = await gateway.call_tool("a_echo")
        assert reply.fault is not None
        assert (reply.fault.reason, reply.fault.is_in_doubt, poor.calls) == ("connection_lost", True, 0)
    builder = builder.backend("rich", rich.connector, failover_for="a", priority=200)
    async with builder.open() as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("a_echo")).text == "rich"


@pytest.mark.parametrize("method", ["completion/complete", "tools/call"])
async def test_only_what_is_listed_by_name_is_looked_up(method: str) -> None:
    """A completion has no name of its own, so nobody lists it."""

    async def broken(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply.failed(_FAULT)

    async def well(_call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(Raw(b"{}"))

    way = Failover(Candidate("a", broken), (Candidate("b", well, lists=lambda _method, _local: False),))
    reply = await way(Call(method, "x", {"name": Raw(b'"x"')}))
    assert (reply.fault is None) == (method == "completion/complete")


async def test_copies_that_are_still_winding_up_are_counted_among_the_attempts(autojump_clock: Clock) -> None:
    """RES-E10: ``attempts``, and what the log and the metrics count, are all that were begun."""
    backend = ScriptedBackend(Hang(), tools=[SAFE])
    hedging = HedgeSettings(delay_ms=100, max_hedges=2)
    async with Builder("x").backend("a", backend.connector, timeout=TimeoutSettings(seconds=2), hedging=hedging).open() as gateway:
        await gateway.settled()
        call = Call("tools/call", "a_echo", {"name": Raw(b'"a_echo"'), "arguments": Raw(b"{}")})
        assert (await gateway.handler(call)).fault is not None
        assert [(hop.backend, hop.outcome) for hop in call.trail.hops] == [("a", "cancelled")] * 3
        await trio.testing.wait_all_tasks_blocked()
        assert [hop.seconds for hop in call.trail.hops] == pytest.approx([2, 1.9, 1.8])
        assert backend.calls == 3
