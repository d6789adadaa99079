"""A backend that is removed or replaced lets its calls end: also those that wait in its policies for their turn. In virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Builder
from sluicegate.config.model import BackendConfig
from sluicegate.gateway.opening import Gateway
from sluicegate.policies.settings import ConcurrencySettings, RateLimitSettings, RetrySettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, RpcError, Step

Clock = trio.testing.MockClock

WAITING: dict[str, tuple[Sequence[Step], dict[str, Any]]] = {
    "for a place": ([Delay(1, Answer("old"))], {"concurrency": ConcurrencySettings(1)}),
    "for a token": ([Delay(1, Answer("old"))], {"rate_limit": RateLimitSettings(1, period_seconds=3, max_wait_seconds=20)}),
    "for the next attempt": ([Delay(1, RpcError())] * 4 + [Answer("old")], {"retry": RetrySettings(initial_backoff_ms=3000)}),
}


def config_of(name: str, backend: ScriptedBackend) -> BackendConfig:
    return Builder("y").backend(name, backend.connector).config().backends[0]


async def drained(gateway: Gateway, replace: bool) -> list[str]:
    """What four calls are answered that began before their backend went away."""
    told: list[str] = []

    async def call() -> None:
        reply = await gateway.call_tool("b_echo")
        told.append(reply.text if reply.fault is None else reply.fault.message)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(call)
        await trio.sleep(0.5)
        if replace:
            new = ScriptedBackend(Answer("new"), tools=[SAFE])
            await gateway.replace_backend(config_of("b", new), new.connector)
        else:
            await gateway.remove_backend("b")
        assert len(told) == 4, "it is stopped when all have ended"
    return told


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("waiting", WAITING)
async def test_who_waits_for_a_turn_still_gets_it(waiting: str, replace: bool, autojump_clock: Clock) -> None:
    steps, settings = WAITING[waiting]
    old = ScriptedBackend(*steps, tools=[SAFE])
    builder = Builder("x").proxy(shutdown_timeout_seconds=60).backend("b", old.connector, **settings)
    async with builder.backend("other", ScriptedBackend().connector).open() as gateway:
        await gateway.settled()
        assert await drained(gateway, replace) == ["old"] * 4
        assert trio.current_time() < 20


async def test_who_waits_too_long_does_not_keep_the_backend_for_ever(autojump_clock: Clock) -> None:
    steps, settings = WAITING["for a token"]
    builder = Builder("x").proxy(shutdown_timeout_seconds=5).backend("b", ScriptedBackend(*steps).connector, **settings)
    async with builder.backend("other", ScriptedBackend().connector).open() as gateway, trio.open_nursery() as nursery:
        await gateway.settled()
        for _ in range(4):
            nursery.start_soon(gateway.call_tool, "b_echo")
        await trio.sleep(0.5)
        await gateway.remove_backend("b")
        assert trio.current_time() == 5.5
