"""What callers are told through the assembled gateway, when a policy ends their call and when a backend does (RES-E1 … RES-E10)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Builder, Call, Handler, Reply
from sluicegate.config.model import TimeoutSettings
from sluicegate.gateway.opening import Gateway
from sluicegate.policies.settings import BreakerSettings, ConcurrencySettings, OutlierSettings, RateLimitSettings, RetrySettings
from sluicegate.protocol.faults import Fault
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Reset, RpcError, Step

Clock = trio.testing.MockClock
BREAKER = BreakerSettings(minimum_calls=1, wait_duration_seconds=30)


@asynccontextmanager
async def running(*steps: Step, **settings: Any) -> AsyncGenerator[tuple[Gateway, ScriptedBackend], None]:
    backend = ScriptedBackend(*steps, tools=[SAFE])
    async with Builder("x").backend("b", backend.connector, **settings).open() as gateway:
        await gateway.settled()
        yield gateway, backend


async def fault_of(gateway: Gateway) -> Fault:
    fault = (await gateway.call_tool("b_echo")).fault
    assert fault is not None
    return fault


def told(fault: Fault) -> dict[str, Any]:
    error: dict[str, Any] = msgspec.json.decode(fault.encode())
    return error


@attrs.define(eq=False)
class Watch:
    """A policy of the embedding program's that keeps the faults which come by; it stands outside of all that can make one."""

    inner: Handler
    faults: list[Fault | None]

    async def __call__(self, call: Call) -> Reply:
        reply = await self.inner(call)
        self.faults.append(reply.fault)
        return reply


@pytest.mark.parametrize(
    ("steps", "settings", "reason", "code"),
    [
        ([RpcError(-32000, "mine")], {}, "", -32000),
        ([Reset()], {}, "connection_lost", -32603),
        ([Delay(9)], {"timeout": TimeoutSettings(per_attempt_seconds=1)}, "timeout", -32010),
        ([Answer()], {"rate_limit": RateLimitSettings(1, period_seconds=60)}, "rate_limited", -32011),
        ([RpcError()], {"circuit_breaker": BREAKER}, "circuit_open", -32012),
        ([RpcError()], {"outlier_detection": OutlierSettings(consecutive_errors=1)}, "ejected", -32000),
    ],
)
async def test_every_failure_is_a_value_of_one_kind_that_reaches_the_caller_as_it_was_made(
    steps: list[Step], settings: dict[str, Any], reason: str, code: int, autojump_clock: Clock
) -> None:
    """RES-0a: what a policy says and what a backend says go the same way; nothing on it folds one into the other."""
    seen: list[Fault | None] = []
    backend = ScriptedBackend(*steps, tools=[SAFE])
    builder = Builder("x").backend("b", backend.connector, **settings).layer(lambda inner: Watch(inner, seen))
    async with builder.open() as gateway:
        await gateway.settled()
        if reason not in {"", "connection_lost", "timeout"}:
            await gateway.call_tool("b_echo")  # uses up the only token, or trips what refuses the next one
        fault = await fault_of(gateway)
    assert (fault.reason, fault.code) == (reason, code)
    assert seen[-1] is fault


@pytest.mark.parametrize("code", [-32603, -32000, -32099, -32602, -1, 7, -32010, -32012])
async def test_a_backends_own_error_arrives_as_it_was_whatever_its_code_and_after_all_retries(code: int, autojump_clock: Clock) -> None:
    """RES-E1: code, message and data, also where the code is one that we use ourselves."""
    error = RpcError(code, "the disk is full", {"disk": 3, "reason": "theirs"})
    everything: dict[str, Any] = {
        "retry": RetrySettings(max_retries=1),
        "circuit_breaker": BreakerSettings(),
        "outlier_detection": OutlierSettings(),
        "concurrency": ConcurrencySettings(1),
    }
    async with running(error, **everything) as (gateway, _backend):
        assert told(await fault_of(gateway)) == {"code": code, "message": "the disk is full", "data": {"disk": 3, "reason": "theirs"}}


@pytest.mark.parametrize("limit", [TimeoutSettings(seconds=2), TimeoutSettings(seconds=60, per_attempt_seconds=2)])
async def test_a_call_that_takes_too_long_says_so_in_the_same_words_with_and_without_a_breaker(
    limit: TimeoutSettings, autojump_clock: Clock
) -> None:
    """RES-E2, RES-E3: -32010 "request timed out …", and nothing around it that tells of policies further out."""
    errors = []
    guarded: dict[str, Any] = {"circuit_breaker": BreakerSettings(), "outlier_detection": OutlierSettings()}
    for settings in ({}, guarded):
        async with running(Delay(30), timeout=limit, **settings) as (gateway, backend):
            began = trio.current_time()
            errors.append(told(await fault_of(gateway)))
            assert trio.current_time() - began == 2
            await trio.testing.wait_all_tasks_blocked()
            assert backend.cancelled == [1]
    plain, under_a_breaker = errors
    assert plain == under_a_breaker
    assert (plain["code"], plain["data"]["reason"], plain["data"]["code"]) == (-32010, "timeout", "SG-401")
    assert plain["message"].startswith("request timed out")
    assert plain["data"]["outcome"] == "unknown", "it was sent, and nobody knows whether it was done"


async def test_there_is_a_deadline_even_where_none_is_configured(autojump_clock: Clock) -> None:
    """RES-32: a backend that never answers costs its caller five minutes and not the rest of its life."""
    async with running(Delay(1e6)) as (gateway, _backend):
        began = trio.current_time()
        assert (await fault_of(gateway)).reason == "timeout"
        assert trio.current_time() - began == TimeoutSettings().seconds == 300


async def test_a_slow_tool_is_cut_at_its_deadline(autojump_clock: Clock) -> None:
    """TST-E39: 100 ms for a tool that takes 5 s."""
    async with running(Delay(5), timeout=TimeoutSettings(seconds=0.1)) as (gateway, _backend):
        began = trio.current_time()
        assert (await fault_of(gateway)).reason == "timeout"
        assert trio.current_time() - began == pytest.approx(0.1)


async def test_a_fast_tool_is_not_touched_by_its_deadline(autojump_clock: Clock) -> None:
    """TST-E40: 10 s for a tool that takes half a second, and one that takes nearly all of it."""
    async with running(Delay(0.5, Answer("quick")), Delay(9.99, Answer("just")), timeout=TimeoutSettings(seconds=10)) as (
        gateway,
        _backend,
    ):
        assert [(await gateway.call_tool("b_echo")).text for _ in range(2)] == ["quick", "just"]


async def test_twenty_calls_at_once_get_each_its_own_answer(autojump_clock: Clock) -> None:
    """TST-E41: also when three at a time are let through, some are repeated, and they end in another order than they began."""
    steps = [RpcError() if number % 5 == 4 else Delay(0.1 + number % 3) for number in range(40)]
    settings: dict[str, Any] = {"concurrency": ConcurrencySettings(3), "retry": RetrySettings(), "timeout": TimeoutSettings(seconds=600)}
    async with running(*steps, **settings) as (gateway, _backend), trio.open_nursery() as nursery:
        texts: dict[int, str] = {}

        async def call(number: int) -> None:
            texts[number] = (await gateway.call_tool("b_echo", {"n": number})).text

        for number in range(20):
            nursery.start_soon(call, number)
        await trio.sleep(300)
        assert {number: text.partition(" #")[0] for number, text in texts.items()} == {
            number: f'echo {{"n":{number}}}' for number in range(20)
        }
        assert list(texts) != sorted(texts)


@pytest.mark.parametrize(
    ("step", "attempts"),
    [
        (RpcError(-32603), 3),
        (RpcError(-32000), 3),
        (RpcError(-32099), 3),
        (RpcError(-32100), 1),
        (RpcError(-32602), 1),
        (RpcError(-32601), 1),
        (Answer("fine"), 1),
    ],
)
async def test_server_errors_are_repeated_and_nothing_else_is(step: Step, attempts: int, autojump_clock: Clock) -> None:
    """TST-U25: through the whole gateway."""
    async with running(step, retry=RetrySettings(max_retries=2)) as (gateway, backend):
        await gateway.call_tool("b_echo")
        assert backend.calls == attempts


async def test_a_budget_stops_retries_and_without_one_every_call_has_them_all(autojump_clock: Clock) -> None:
    """TST-U25: 30 failing calls with 3 retries each are 120 attempts, or 30 and the few that the budget has."""
    for budget, attempts in ((None, 120), (10.0, 33)):
        retry = RetrySettings(max_retries=3, initial_backoff_ms=0, budget_percent=budget, min_retries_per_sec=0)
        async with running(RpcError(), retry=retry) as (gateway, backend):
            for _ in range(30):
                await fault_of(gateway)
            assert backend.calls == attempts


async def test_what_a_breaker_or_a_rate_limit_refuses_takes_no_place_and_does_not_queue(autojump_clock: Clock) -> None:
    """RES-16: both stand in front of the queue."""
    settings: dict[str, Any] = {
        "concurrency": ConcurrencySettings(1, max_queue=0),
        "circuit_breaker": BreakerSettings(),
        "rate_limit": RateLimitSettings(1, period_seconds=60),
    }
    async with running(Delay(5), **settings) as (gateway, backend), trio.open_nursery() as nursery:
        guards = gateway.policies["b"]
        assert guards.breaker is not None
        assert guards.concurrency is not None
        nursery.start_soon(gateway.call_tool, "b_echo")
        await trio.sleep(1)
        assert (await fault_of(gateway)).reason == "rate_limited"
        guards.breaker.force_open()
        assert (await fault_of(gateway)).reason == "circuit_open"
        assert (guards.concurrency.running, guards.concurrency.waiting, guards.concurrency.refused) == (1, 0, 0)
        assert backend.calls == 1
