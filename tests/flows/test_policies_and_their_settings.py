"""What is configured of a policy arrives at the policy (LIM-47), and what a backend's annotations and breaker say is asked for where it matters."""

from __future__ import annotations

from typing import Any, cast, get_args

import attrs
import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Builder, Call, Handler, Reply
from sluicegate.config.model import BackendConfig, TimeoutSettings
from sluicegate.gateway.handles import Policies
from sluicegate.gateway.opening import Gateway
from sluicegate.policies import settings as tables
from sluicegate.policies.compose import chain
from sluicegate.policies.deadline import AttemptDeadline
from sluicegate.policies.memory_store import MemoryStore
from sluicegate.policies.remembering import Remembering, remembering
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, RpcError

Clock = trio.testing.MockClock
ODD: dict[str, Any] = {
    "timeout": TimeoutSettings(seconds=41, per_attempt_seconds=7),
    "retry": tables.RetrySettings(4, 150, 2500, ("this",), 30, 3),
    "hedging": tables.HedgeSettings(350, 90, 2, ("that",)),
    "circuit_breaker": tables.BreakerSettings(0.4, 6, 9, None, 2.5, 0.7, 12, 2, count_tool_errors=True),
    "outlier_detection": tables.OutlierSettings(6, 0.8, 11, 13, 14, 150, 60, count_tool_errors=True),
    "rate_limit": tables.RateLimitSettings(17, 2, 19, 0.3),
    "concurrency": tables.ConcurrencySettings(5, 23, 1.5),
    "cache": tables.CacheSettings(61, 62, 63, ("this",), ("that",), 7, 5000, 8, 9, clear_on_writes=False),
    "health": tables.HealthSettings(8, 3, 4, 2, reconnect=True, by_calls=True),
}

OF_A_CANARY: dict[str, Any] = {"canary_guard": tables.CanaryGuardSettings(3.5, 4.5, 310, 51, 6, count_tool_errors=False)}
"""What only a backend has that stands in for another."""

OTHERS: dict[str, type[Remembering[Any]]] = {get_args(vars(kind)["__orig_bases__"][0])[0].table: kind for kind in remembering()}
"""Policies that are made of their settings alone, by their tables."""


async def with_odd_settings(**settings: Any) -> tuple[Gateway, Policies]:
    async with Builder("x").backend("b", ScriptedBackend(tools=[SAFE, "this", "that"]).connector, **(ODD | settings)).open() as gateway:
        await gateway.settled()
        return gateway, gateway.policies["b"]


async def test_every_setting_of_a_policy_arrives_at_it(autojump_clock: Clock) -> None:
    """LIM-47: none of them is a default, and no two of one table are alike."""
    gateway, policies = await with_odd_settings()
    retry, hedge, breaker, outlier, rate, places, budget = (
        *(policies.retry, policies.hedge, policies.breaker, policies.outlier),
        *(policies.rate, policies.concurrency, policies.budget),
    )
    assert retry is not None
    assert retry.settings == ODD["retry"]
    assert [retry.repeatable(_calling(tool)) for tool in ("this", "that", "echo")] == [True, False, False]
    assert policies.cache is not None
    assert policies.cache.settings == ODD["cache"]
    assert [policies.cache.tools.keeps(tool) for tool in ("this", "that")] == [True, False]
    assert [(store.most, store.most_bytes) for store in policies.cache.stores.values() if isinstance(store, MemoryStore)] == [(7, 5000)] * 3
    assert hedge is not None
    assert hedge.settings == ODD["hedging"]
    assert hedge.delay == 0.35
    assert [hedge.repeatable(_calling(tool)) for tool in ("this", "that", "echo")] == [False, True, False]
    assert breaker is not None
    assert (breaker.name, breaker.settings) == ("b", ODD["circuit_breaker"])
    assert outlier is not None
    assert (outlier.name, outlier.settings) == ("b", ODD["outlier_detection"])
    assert rate is not None
    assert (rate.bucket.settings, rate.backend) == (ODD["rate_limit"], "b")
    assert places is not None
    assert (places.settings, places.backend) == (ODD["concurrency"], "b")
    assert budget is not None
    assert (budget.percent, budget.min_retries_per_sec) == (30, 3)
    (attempt,) = [step for step in chain(policies.handler) if isinstance(step, AttemptDeadline)]
    assert (attempt.seconds, attempt.backend) == (7, "b")
    health = gateway.backends["b"].health
    assert health is not None
    assert health.settings == ODD["health"]


async def test_every_setting_of_a_canarys_guard_arrives_at_it(autojump_clock: Clock) -> None:
    builder = Builder("x").backend("b", ScriptedBackend().connector)
    async with builder.backend("c", ScriptedBackend().connector, canary_of="b", weight=1, **OF_A_CANARY).open() as gateway:
        trial = gateway.policies["c"].canary_guard
        assert trial is not None
        assert trial.settings == OF_A_CANARY["canary_guard"]


async def test_a_breaker_that_looks_at_a_span_of_time_is_told_how_long_it_is(autojump_clock: Clock) -> None:
    """RES-41: the other one of two keys."""
    _, policies = await with_odd_settings(circuit_breaker=tables.BreakerSettings(window_seconds=21))
    assert policies.breaker is not None
    assert policies.breaker.settings.window_seconds == 21


@pytest.mark.parametrize("table", OTHERS)
async def test_a_policy_that_is_made_of_its_settings_alone_gets_them_and_is_kept_while_they_stay(table: str, autojump_clock: Clock) -> None:
    kind = tables.TABLES[table]
    settings = kind(*(field.metadata["example"] + 1 for field in attrs.fields(kind) if field.default is attrs.NOTHING))
    async with Builder("x").backend("b", ScriptedBackend().connector, **{table: settings}).open() as gateway:
        policy = gateway.policies["b"].of(OTHERS[table])
        assert policy is not None
        assert (policy.settings, policy.backend) == (settings, "b")
        assert list(gateway.policies["b"].statistics()) == [table]
        (config,) = gateway.config.backends
        await gateway.apply([attrs.evolve(config, hedging=tables.HedgeSettings())])
        assert gateway.policies["b"].of(OTHERS[table]) is policy
        await gateway.apply([attrs.evolve(config, **cast("Any", {table: None}))])
        assert gateway.policies["b"].of(OTHERS[table]) is None


def _calling(tool: str) -> Call:
    from sluicegate.protocol.messages import Raw, encode

    return Call("tools/call", tool, {"name": Raw(encode(tool))})


def test_there_is_no_policy_that_the_settings_above_leave_out() -> None:
    """LIM-47: a table that is added to a backend shall be added here."""
    names = {
        field.name: kind.__name__
        for field in attrs.fields(BackendConfig)
        for kind in tables.TABLES.values()
        if kind.__name__ in str(field.type)
    }
    assert names == {table: kind.__name__ for table, kind in tables.TABLES.items()}
    assert names.keys() | {"timeout"} == ODD.keys() | OF_A_CANARY.keys() | OTHERS.keys()
    for name, table in ODD.items():
        same = [field.name for field in attrs.fields(type(table)) if getattr(table, field.name) == field.default != attrs.NOTHING]
        assert same in ([], ["window_seconds"]), name


async def test_no_copies_are_sent_while_a_backend_is_tried_out(autojump_clock: Clock) -> None:
    """RES-43, RES-13: a copy would take the permit of another probe, and an open breaker refuses it anyway."""
    backend = ScriptedBackend(RpcError(), Delay(3), tools=[SAFE])
    settings: dict[str, Any] = {
        "hedging": tables.HedgeSettings(delay_ms=100, max_hedges=2),
        "circuit_breaker": tables.BreakerSettings(minimum_calls=1, wait_duration_seconds=10),
    }
    async with Builder("x").backend("b", backend.connector, **settings).open() as gateway:
        await gateway.settled()
        await gateway.call_tool("b_echo")
        await trio.sleep(10)
        for calls in (2, 3, 4):
            assert (await gateway.call_tool("b_echo")).fault is None
            assert backend.calls == calls, "a probe, and no copy of it"
        await gateway.call_tool("b_echo")
        assert backend.calls == 7, "closed again: two copies of a slow call"


async def test_the_state_of_a_programs_own_policy_outlives_changes_elsewhere(autojump_clock: Clock) -> None:
    """RES-0d: a layer is put around its backend once, unless what is around that changes."""

    @attrs.define(eq=False)
    class Counting:
        inner: Handler
        calls: int = 0

        async def __call__(self, call: Call) -> Reply:
            self.calls += 1
            return await self.inner(call)

    made: list[Counting] = []

    def layer(inner: Handler) -> Handler:
        made.append(Counting(inner))
        return made[-1]

    async with Builder("x").backend("b", ScriptedBackend().connector).layer(layer).open() as gateway:
        await gateway.settled()
        for name, settings in {"c": {}, "d": {"failover_for": "b"}, "e": {"canary_of": "b", "weight": 1}}.items():
            assert (await gateway.call_tool("b_echo")).fault is None
            config = Builder("y").backend(name, ScriptedBackend().connector, **settings).config().backends[0]  # type: ignore[arg-type]
            await gateway.add_backend(config, ScriptedBackend().connector)
        await gateway.remove_backend("c")
        assert [one.calls for one in made] == [3]
