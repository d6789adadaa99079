"""When nobody else is left, the ejected are asked: an answer that may fail is better than none."""

from __future__ import annotations

import trio
import trio.testing

from sluicegate import Builder
from sluicegate.policies.settings import OutlierSettings
from sluicegate.testing import RpcError, ScriptedBackend

OUT = OutlierSettings(consecutive_errors=1, max_ejection_percent=100)


async def test_the_ejected_are_asked_when_everybody_else_has_failed(autojump_clock: trio.testing.MockClock) -> None:
    """FO-3, RES-53: out of its order, not out of reach."""
    time, backup = ScriptedBackend(RpcError(), RpcError(), name="time"), ScriptedBackend(RpcError(), RpcError(), name="backup")
    builder = Builder("gate").backend("time", time.connector, outlier_detection=OUT)
    builder.backend("backup", backup.connector, failover_for="time", outlier_detection=OUT)
    async with builder.open(strict=True) as gateway:
        assert (await gateway.call_tool("time_echo")).fault is not None
        assert all(guards.is_ejected() for guards in gateway.policies.values())
        assert (await gateway.call_tool("time_echo")).fault is not None
        assert (time.calls, backup.calls) == (2, 2)


async def test_one_that_stands_alone_stays_out_of_reach(autojump_clock: trio.testing.MockClock) -> None:
    """RES-E6: nobody has said that it must be asked in any case."""
    time = ScriptedBackend(RpcError(), name="time")
    async with Builder("gate").backend("time", time.connector, outlier_detection=OUT).open(strict=True) as gateway:
        await gateway.call_tool("time_echo")
        reply = await gateway.call_tool("time_echo")
        assert reply.fault is not None
        assert (reply.fault.code, time.calls) == (-32000, 1)
