"""What the policies of a backend remember while others are added, replaced and removed (RES-0e, RES-55, RES-56)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate import BackendFailed, Builder
from sluicegate.config.model import BackendConfig, TimeoutSettings
from sluicegate.gateway.described import describe
from sluicegate.gateway.opening import Gateway
from sluicegate.policies.breaker import BreakerState
from sluicegate.policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, RpcError

Clock = trio.testing.MockClock
ALL: dict[str, Any] = {
    "timeout": TimeoutSettings(seconds=20, per_attempt_seconds=5),
    "retry": RetrySettings(max_retries=2, budget_percent=50),
    "hedging": HedgeSettings(delay_ms=500),
    "circuit_breaker": BreakerSettings(minimum_calls=3, wait_duration_seconds=60),
    "outlier_detection": OutlierSettings(consecutive_errors=50),
    "rate_limit": RateLimitSettings(100),
    "concurrency": ConcurrencySettings(4),
}
ONE_ERROR = OutlierSettings(consecutive_errors=1, max_ejection_percent=50)


def config_of(name: str, **settings: Any) -> BackendConfig:
    return Builder("y").backend(name, ScriptedBackend().connector, **settings).config().backends[0]


@asynccontextmanager
async def running(builder: Builder) -> AsyncGenerator[Gateway, None]:
    async with builder.open() as gateway:
        await gateway.settled()
        yield gateway


def steps_of(gateway: Gateway, tool: str) -> list[str]:
    return describe(gateway.catalogue.table.listed[TOOLS.method][tool].handler)


async def fail(gateway: Gateway, tool: str, times: int = 1) -> None:
    for _ in range(times):
        assert (await gateway.call_tool(tool)).fault is not None


async def test_a_backend_that_is_added_has_the_same_chain_as_one_that_was_there_from_the_start(autojump_clock: Clock) -> None:
    """RES-0e: one order for the start and for changes; its breaker opens as any other does, and can be read."""
    late = ScriptedBackend(RpcError(-32603))
    async with running(Builder("x").backend("first", ScriptedBackend().connector, **ALL)) as gateway:
        await gateway.add_backend(config_of("late", **ALL), late.connector)
        assert steps_of(gateway, "late_echo") == steps_of(gateway, "first_echo")
        assert [type(step).__name__ for step in _guards(gateway, "late")] == [type(step).__name__ for step in _guards(gateway, "first")]
        await fail(gateway, "late_echo", 4)
        breaker = gateway.policies["late"].breaker
        assert breaker is not None
        assert (breaker.state, late.calls) == (BreakerState.OPEN, 3)


def _guards(gateway: Gateway, name: str) -> list[object]:
    guards = gateway.policies[name]
    return [guards.budget, guards.retry, guards.hedge, guards.breaker, guards.outlier, guards.rate, guards.concurrency]


async def test_what_is_added_to_a_group_counts_in_it_and_what_is_removed_does_not(autojump_clock: Clock) -> None:
    """RES-55, RES-0e: of two members one may be out, and of one with nobody beside it one as well; so the second of two may not go."""
    a, b = ScriptedBackend(RpcError(-32603)), ScriptedBackend(RpcError(-32603))
    async with running(Builder("x").backend("a", a.connector, outlier_detection=ONE_ERROR)) as gateway:
        await gateway.add_backend(config_of("b", failover_for="a", outlier_detection=ONE_ERROR), b.connector)
        first, second = gateway.policies["a"].outlier, gateway.policies["b"].outlier
        assert first is not None
        assert second is not None
        assert first.group is second.group
        await fail(gateway, "a_echo")
        assert (first.is_ejected, second.is_ejected) == (True, False), "half of two is one"
        assert await gateway.remove_backend("b")
        assert first.is_ejected, "alone it is out as well: at least one may be"
        await gateway.add_backend(config_of("c", failover_for="a", outlier_detection=ONE_ERROR), ScriptedBackend().connector)
        third = gateway.policies["c"].outlier
        assert third is not None
        assert third.group is first.group
        assert first.is_ejected


async def test_a_replacement_that_cannot_be_reached_leaves_the_group_as_it_was(autojump_clock: Clock) -> None:
    """RES-56: neither while it is tried nor afterwards does it take the place of the one that goes on serving."""
    a, dead = ScriptedBackend(RpcError(-32603)), ScriptedBackend()
    dead.refuse = "nobody home"
    settings: dict[str, Any] = {"outlier_detection": ONE_ERROR}
    async with running(Builder("x").backend("a", a.connector, **settings)) as gateway:
        with pytest.raises(BackendFailed):
            await gateway.replace_backend(config_of("a", **settings), dead.connector)
        await trio.testing.wait_all_tasks_blocked()
        await fail(gateway, "a_echo")
        outlier = gateway.policies["a"].outlier
        assert outlier is not None
        assert outlier.is_ejected


async def test_a_backend_that_is_removed_leaves_its_group_while_its_last_calls_still_run(autojump_clock: Clock) -> None:
    """RES-55: it is out of every list, so it is nobody who could stand in."""
    from sluicegate.testing.script import Delay

    a, b, c = ScriptedBackend(), ScriptedBackend(Delay(10)), ScriptedBackend()
    builder = Builder("x").proxy(shutdown_timeout_seconds=60).backend("a", a.connector, outlier_detection=ONE_ERROR)
    builder.backend("b", b.connector, failover_for="a", outlier_detection=ONE_ERROR)
    async with running(builder.backend("c", c.connector, failover_for="a", outlier_detection=ONE_ERROR)) as gateway:
        first, third = gateway.policies["a"].outlier, gateway.policies["c"].outlier
        assert first is not None
        assert third is not None
        first.eject()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.call_tool, "a_echo")
            await trio.sleep(1)
            nursery.start_soon(gateway.remove_backend, "b")
            await trio.sleep(1)
            assert b.sessions != []
            assert first.group.most == 1
            assert [member.name for member in (first, third) if member.group.has_place_for(member, trio.current_time())] == []
            assert list(first.group._members) == ["a", "c"]


async def test_an_open_breaker_stays_open_whatever_else_is_added_replaced_or_removed(autojump_clock: Clock) -> None:
    a = ScriptedBackend(RpcError(-32603))
    builder = Builder("x").backend("a", a.connector, **ALL).backend("z", ScriptedBackend().connector)
    async with running(builder) as gateway:
        await fail(gateway, "a_echo", 4)
        before = gateway.policies["a"]
        await gateway.add_backend(config_of("b"), ScriptedBackend().connector)
        await gateway.add_backend(config_of("shadow", mirror_of="a"), ScriptedBackend().connector)
        await gateway.replace_backend(config_of("b", **ALL), ScriptedBackend().connector)
        await gateway.remove_backend("shadow")
        await gateway.remove_backend("z")
        assert gateway.policies["a"] is before
        assert before.is_open
        await fail(gateway, "a_echo")
        assert a.calls == 3, "nothing reached it"
        await gateway.replace_backend(config_of("a", **ALL), ScriptedBackend(Answer("new")).connector)
        assert (await gateway.call_tool("a_echo")).text == "new", "another backend under its name has another breaker"


async def test_the_schedule_of_a_canary_goes_on_while_others_come_and_go(autojump_clock: Clock) -> None:
    """CAN-1: any hundred calls hold its percent, also when the fleet changes between them."""
    primary, trial = ScriptedBackend(), ScriptedBackend()
    builder = Builder("x").backend("a", primary.connector).backend("next", trial.connector, canary_of="a", weight=10)
    async with running(builder) as gateway:
        for round_ in range(20):
            for _ in range(5):
                await gateway.call_tool("a_echo")
            await gateway.add_backend(config_of(f"other{round_}"), ScriptedBackend().connector)
        assert (primary.calls, trial.calls) == (90, 10)
        await gateway.replace_backend(config_of("next", canary_of="a", weight=20), trial.connector)
        for _ in range(100):
            await gateway.call_tool("a_echo")
        assert trial.calls == 10 + 20


async def test_a_limit_counts_on_while_others_come_and_go(autojump_clock: Clock) -> None:
    a = ScriptedBackend()
    limit = RateLimitSettings(3, period_seconds=60)
    async with running(Builder("x").backend("a", a.connector, rate_limit=limit)) as gateway:
        for number in range(3):
            assert (await gateway.call_tool("a_echo")).fault is None
            await gateway.add_backend(config_of(f"b{number}", failover_for="a"), ScriptedBackend(RpcError()).connector)
        await gateway.call_tool("a_echo")
        assert a.calls == 3
