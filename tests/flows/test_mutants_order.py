"""What would be lost if the policies of a backend stood in another order, or were put together in another way: each as one call would see it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Builder, Call, Handler, Reply, open_gateway
from sluicegate.config.model import BackendConfig, TimeoutSettings
from sluicegate.gateway.opening import Gateway
from sluicegate.gateway.policy_making import limit_layer
from sluicegate.policies.breaker import Breaker
from sluicegate.policies.settings import BreakerSettings, ConcurrencySettings, HedgeSettings, RateLimitSettings, RetrySettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Hang, RpcError, Step

Clock = trio.testing.MockClock
AT_ONCE = RetrySettings(max_retries=5, initial_backoff_ms=0)


def playing(*steps: Step) -> ScriptedBackend:
    return ScriptedBackend(*steps, tools=[SAFE])


@asynccontextmanager
async def running(a: ScriptedBackend, **settings: Any) -> AsyncGenerator[Gateway, None]:
    async with Builder("x").backend("a", a.connector, **settings).open() as gateway:
        await gateway.settled()
        yield gateway


@attrs.frozen
class Ended:
    """How a call ended, and how many seconds it took."""

    why: str
    seconds: float


async def ended(gateway: Gateway) -> Ended:
    began = trio.current_time()
    reply = await gateway.call_tool("a_echo")
    return Ended("ok" if reply.fault is None else reply.fault.reason or reply.fault.message, trio.current_time() - began)


async def together(gateway: Gateway, calls: int) -> list[Ended]:
    """Some calls that begin at the same time, in the order in which they end."""
    found: list[Ended] = []

    async def one() -> None:
        found.append(await ended(gateway))

    async with trio.open_nursery() as nursery:
        for _ in range(calls):
            nursery.start_soon(one)
    return found


def breaker_of(gateway: Gateway) -> Breaker:
    breaker = gateway.policies["a"].breaker
    assert breaker is not None
    return breaker


async def test_ten_callers_of_one_place_all_end_in_time_and_one_of_them_speaks_against_the_backend(autojump_clock: Clock) -> None:
    """The time of an attempt includes the queue; the breaker stands outside of both, and counts only who was sent."""
    settings = {"concurrency": ConcurrencySettings(1), "timeout": TimeoutSettings(seconds=60, per_attempt_seconds=1)}
    async with running(playing(Hang()), circuit_breaker=BreakerSettings(minimum_calls=10), **settings) as gateway:
        assert sorted(one.why for one in await together(gateway, 10)) == ["overloaded"] * 9 + ["timeout"]
        assert trio.current_time() == 1
        assert (breaker_of(gateway).calls, breaker_of(gateway).failure_rate) == (1, 1.0)


async def test_a_token_that_comes_after_the_end_of_the_attempt_is_not_waited_for(autojump_clock: Clock) -> None:
    limited = RateLimitSettings(1, period_seconds=10, max_wait_seconds=60)
    async with running(playing(), rate_limit=limited, timeout=TimeoutSettings(seconds=60, per_attempt_seconds=5)) as gateway:
        assert [await ended(gateway), await ended(gateway)] == [Ended("ok", 0), Ended("rate_limited", 0)]


async def test_a_breaker_that_opens_between_two_attempts_stops_the_third(autojump_clock: Clock) -> None:
    a = playing(RpcError())
    async with running(a, retry=AT_ONCE, circuit_breaker=BreakerSettings(minimum_calls=2)) as gateway:
        assert (await ended(gateway)).why == "broken", "RES-E7: what the backend said last"
        assert (a.calls, breaker_of(gateway).is_open) == (2, True)


async def test_attempts_of_a_few_seconds_each_do_not_add_up_beyond_the_end_of_the_call(autojump_clock: Clock) -> None:
    a = playing(Hang())
    async with running(a, retry=AT_ONCE, timeout=TimeoutSettings(seconds=12, per_attempt_seconds=5)) as gateway:
        assert await ended(gateway) == Ended("timeout", 12)
        assert a.calls == 3


async def test_while_a_backend_is_tried_out_slow_calls_get_no_copies(autojump_clock: Clock) -> None:
    a = playing(RpcError(), Delay(3))
    breaker = BreakerSettings(minimum_calls=1, wait_duration_seconds=10, permitted_calls_in_half_open=2)
    async with running(a, hedging=HedgeSettings(delay_ms=1000), circuit_breaker=breaker) as gateway:
        await ended(gateway)
        await trio.sleep(10)
        assert [await ended(gateway) for _ in range(2)] == [Ended("ok", 3)] * 2
        assert a.calls == 1 + 2
        await ended(gateway)
        assert a.calls == 1 + 2 + 2, "once it is closed they do"


async def test_an_open_primary_is_passed_over_and_costs_no_budget(autojump_clock: Clock) -> None:
    """FO-3: its stand-in gets the first attempt, not one beyond the first."""
    a, spare = playing(), playing(Answer("spare"))
    guarded = {"circuit_breaker": BreakerSettings(), "retry": RetrySettings(budget_percent=1, min_retries_per_sec=0)}
    async with running(a, **guarded) as gateway:
        await gateway.add_backend(BackendConfig("spare", transport="inprocess", failover_for="a"), spare.connector)
        breaker_of(gateway).force_open()
        assert [(await gateway.call_tool("a_echo")).text for _ in range(3)] == ["spare"] * 3
        budget = gateway.policies["a"].budget
        assert budget is not None
        assert (budget.calls, budget.drawn, budget.refused) == (3, 0, 0)


@attrs.define(eq=False)
class Counting:
    """A policy of the embedding program's that remembers something."""

    inner: Handler
    calls: int = 0

    async def __call__(self, call: Call) -> Reply:
        self.calls += 1
        return await self.inner(call)


async def test_what_the_programs_own_layers_have_counted_is_kept_while_others_come_and_go(autojump_clock: Clock) -> None:
    made: list[Counting] = []

    def layer(inner: Handler) -> Counting:
        made.append(Counting(inner))
        return made[-1]

    async with Builder("x").backend("a", playing().connector).layer(layer).open() as gateway:
        await gateway.settled()
        await ended(gateway)
        await gateway.add_backend(BackendConfig("b", transport="inprocess"), playing().connector)
        await ended(gateway)
        assert await gateway.remove_backend("b")
        await ended(gateway)
        assert [one.calls for one in made] == [3]


async def test_what_the_limit_of_the_gateway_refuses_is_in_the_access_log(autojump_clock: Clock) -> None:
    logged: list[bytes] = []

    async def write(lines: bytes) -> None:
        await trio.lowlevel.checkpoint()
        logged.append(lines)

    a = playing()
    config = Builder("x").proxy(rate_limit=RateLimitSettings(1, max_wait_seconds=0)).backend("a", a.connector).config()
    async with open_gateway(config, servers={"a": a.connector}, access_log=write) as gateway:
        await gateway.settled()
        assert [(await ended(gateway)).why for _ in range(2)] == ["ok", "rate_limited"]
    assert [json.loads(line)["outcome"] for line in b"".join(logged).splitlines()] == ["ok", "rate_limited"]


@pytest.mark.parametrize("chains", [1, 3])
async def test_all_chains_with_one_limit_share_its_tokens(chains: int, autojump_clock: Clock) -> None:
    """RES-20: calls, and what we answer ourselves, such as lists."""

    async def inner(_call: Call) -> Reply:
        return Reply()

    layer = limit_layer(RateLimitSettings(3, max_wait_seconds=0))
    assert layer is not None
    limited = [layer(inner) for _ in range(chains)]
    replies = [await limited[number % chains](Call("ping", "ping", {})) for number in range(6)]
    assert [reply.fault is None for reply in replies] == [True] * 3 + [False] * 3
