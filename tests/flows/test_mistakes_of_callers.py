"""What one caller does wrong costs neither the backend its name nor the others their answers."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from sluicegate import Builder, Call
from sluicegate.policies.settings import BreakerSettings, HealthSettings, OutlierSettings, RetrySettings
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import RESOURCES
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, RpcError

Clock = trio.testing.MockClock
TOUCHY: dict[str, Any] = {
    "retry": RetrySettings(max_retries=2, initial_backoff_ms=0, only="all"),
    "circuit_breaker": BreakerSettings(minimum_calls=2, failure_rate_threshold=0.5),
    "outlier_detection": OutlierSettings(consecutive_errors=2),
    "health": HealthSettings(unhealthy_threshold=1),
}


@pytest.mark.parametrize("code", [-32002, -32042, -32020, -32021, -32022, -32800, -32600, -32602])
async def test_a_missing_resource_is_missing_for_who_asks_and_for_nobody_else(code: int, autojump_clock: Clock) -> None:
    """DEC-5, FO-1: four of them in a row are neither repeated nor asked elsewhere, open no breaker and eject nobody."""
    a = ScriptedBackend(*[RpcError(code, "none") for _ in range(4)], Answer("fine"), name="a", resources=["file:///a"])
    b = ScriptedBackend(name="b", resources=["file:///a"])
    builder = Builder("x").backend("a", a.connector, **TOUCHY).backend("b", b.connector, failover_for="a")
    async with builder.open() as gateway:
        await gateway.settled()
        uri = next(iter(gateway.catalogue.names(RESOURCES)))
        for _ in range(4):
            fault = (await gateway.handler(Call("resources/read", uri, {"uri": Raw(encode(uri))}))).fault
            assert fault is not None
            assert (fault.code, fault.message, fault.backend) == (code, "none", "a")
        assert (a.calls, b.calls) == (4, 0)

        assert (await gateway.call_tool("a_echo")).text == "fine"
        assert (a.calls, b.calls) == (5, 0)
        breaker, outlier = gateway.policies["a"].breaker, gateway.policies["a"].outlier
        assert breaker is not None
        assert outlier is not None
        assert (breaker.state.value, outlier.ejections) == ("Closed", 0)
