"""What is sent again through the assembled gateway, how often, and what is never sent twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Builder
from sluicegate.config.model import TimeoutSettings
from sluicegate.gateway.opening import Gateway
from sluicegate.policies.settings import ConcurrencySettings, HedgeSettings, RateLimitSettings, RetrySettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Hang, Reset, RpcError, Step

Clock = trio.testing.MockClock
HARMFUL = {"name": "echo", "annotations": {"readOnlyHint": False, "destructiveHint": True}}
QUICK_RETRY = RetrySettings(max_retries=2, initial_backoff_ms=0)


def playing(*steps: Step, tools: Sequence[Mapping[str, object]] = (SAFE,)) -> ScriptedBackend:
    return ScriptedBackend(*steps, tools=tools)


@asynccontextmanager
async def running(**backends: tuple[ScriptedBackend, dict[str, Any]]) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x")
    for name, (backend, settings) in backends.items():
        backend.name = name
        builder.backend(name, backend.connector, **settings)
    async with builder.open() as gateway:
        await gateway.settled()
        yield gateway


async def test_retries_hedges_and_failover_of_one_path_draw_from_one_budget(autojump_clock: Clock) -> None:
    """RES-5, LIM-16: whoever comes first takes what is left."""
    a, b = playing(Delay(1, RpcError())), playing(RpcError())
    busy = {
        "retry": RetrySettings(max_retries=5, initial_backoff_ms=0, budget_percent=1, min_retries_per_sec=0.4),
        "hedging": HedgeSettings(delay_ms=500),
    }
    async with running(a=(a, busy), b=(b, {"failover_for": "a"})) as gateway:
        budget = gateway.policies["a"].budget
        assert budget is not None
        fault = (await gateway.call_tool("a_echo")).fault
        assert fault is not None
        assert budget.drawn == a.calls + b.calls - 1 == 4, (
            "a copy, a retry, a copy of it, and another retry; there is nothing left for a stand-in"
        )
        assert (a.calls, b.calls) == (5, 0)
        assert budget.refused >= 1
        await gateway.call_tool("a_echo")
        assert (a.calls, b.calls) == (6, 0)
        await trio.sleep(20)
        await gateway.call_tool("a_echo")
        assert a.calls == 11, "there is as much again when time has passed"


async def test_an_attempt_that_takes_too_long_is_cut_and_repeated(autojump_clock: Clock) -> None:
    """RES-0b, LIM-15: under one deadline for the whole call."""
    a = playing(Delay(60), Delay(60), Delay(1, Answer("third")))
    timeout = TimeoutSettings(seconds=20, per_attempt_seconds=5)
    async with running(a=(a, {"retry": QUICK_RETRY, "timeout": timeout})) as gateway:
        began = trio.current_time()
        assert (await gateway.call_tool("a_echo")).text == "third"
        assert trio.current_time() - began == 11
        assert a.cancelled == [1, 2]


@pytest.mark.parametrize("step", [RpcError(), Reset(), Delay(3, RpcError()), Hang(), Delay(60)])
async def test_a_harmful_tool_never_runs_twice_on_one_backend(step: Step, autojump_clock: Clock) -> None:
    """RES-4, RES-13: not after a server error, a lost connection or a timeout, and no copy is sent of a slow one."""
    a = playing(step, tools=[HARMFUL])
    settings = {"retry": QUICK_RETRY, "hedging": HedgeSettings(delay_ms=100), "timeout": TimeoutSettings(per_attempt_seconds=5)}
    async with running(a=(a, settings)) as gateway:
        assert (await gateway.call_tool("a_echo")).fault is not None
        await trio.testing.wait_all_tasks_blocked()
        assert a.calls == 1


async def test_a_harmful_tool_that_certainly_did_not_start_is_sent_again(autojump_clock: Clock) -> None:
    """RES-4: our own queue and our own rate limit were full, so no backend has seen it."""
    a = playing(Delay(1, Answer("done")), tools=[HARMFUL])
    settings = {
        "retry": RetrySettings(max_retries=5, initial_backoff_ms=4000),
        "concurrency": ConcurrencySettings(1, max_queue=0),
        "rate_limit": RateLimitSettings(2, period_seconds=1, max_wait_seconds=0),
    }
    async with running(a=(a, settings)) as gateway:
        texts: list[str] = []

        async def call() -> None:
            texts.append((await gateway.call_tool("a_echo")).text)

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(call)
        assert (texts, a.calls) == (["done"] * 4, 4)
        retry = gateway.policies["a"].retry
        assert retry is not None
        assert retry.retried > 0


async def test_a_harmful_tool_that_found_nobody_listening_is_sent_again(autojump_clock: Clock) -> None:
    """RES-4: a call that was refused while the backend restarts; it comes up again, and runs the call once."""
    a = playing(Answer("done"), tools=[HARMFUL])
    async with running(a=(a, {"retry": RetrySettings(max_retries=5, initial_backoff_ms=4000)})) as gateway:
        a.crash()
        await trio.testing.wait_all_tasks_blocked()
        assert not gateway.backends["a"].is_up
        assert (await gateway.call_tool("a_echo")).text == "done"
        assert a.calls == 1
