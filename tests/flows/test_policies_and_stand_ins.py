"""Retries, hedges, failover, canaries and mirrors of one backend at work on the same call."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Builder, Call
from sluicegate.config.model import TimeoutSettings
from sluicegate.gateway.opening import Gateway
from sluicegate.policies.settings import BreakerSettings, ConcurrencySettings, HealthSettings, HedgeSettings, OutlierSettings, RetrySettings
from sluicegate.protocol.messages import Raw, Request
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, RpcError, Step, ToolFails

Clock = trio.testing.MockClock
QUICK_RETRY = RetrySettings(max_retries=2, initial_backoff_ms=0)


def playing(*steps: Step) -> ScriptedBackend:
    return ScriptedBackend(*steps, tools=[SAFE])


@asynccontextmanager
async def running(**backends: tuple[ScriptedBackend, dict[str, Any]]) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x")
    for name, (backend, settings) in backends.items():
        backend.name = name
        builder.backend(name, backend.connector, **settings)
    async with builder.open() as gateway:
        await gateway.settled()
        yield gateway


SPARE: dict[str, Any] = {"failover_for": "a"}


@pytest.mark.parametrize(
    ("step", "says"), [(ToolFails("no such file"), "no such file"), (RpcError(-32602, "which?"), "which?"), (RpcError(-32600, "?"), "?")]
)
async def test_a_tool_error_is_an_answer_and_a_clients_mistake_is_final(step: Step, says: str, autojump_clock: Clock) -> None:
    """FO-1, TST-G5: neither is retried, hedged or asked elsewhere, however much could be."""
    a, b = playing(step), playing()
    async with running(a=(a, {"retry": QUICK_RETRY, "hedging": HedgeSettings(delay_ms=100)}), b=(b, SPARE)) as gateway:
        reply = await gateway.call_tool("a_echo")
        assert says == (reply.text if reply.fault is None else reply.fault.message)
        assert (a.calls, b.calls) == (1, 0)


async def test_stand_ins_are_asked_in_their_order_until_one_succeeds_and_the_last_error_is_the_answer(autojump_clock: Clock) -> None:
    """TST-U13, TST-G5: the first success ends it; when nobody succeeds it is the last error, as that backend sent it."""
    a, late, early = playing(RpcError(-32000, "a")), playing(Answer("late"), RpcError(-32001, "late")), playing(RpcError(-32003, "early"))
    settings = {"late": {**SPARE, "priority": 2}, "early": {**SPARE, "priority": 1}}
    async with running(a=(a, {}), late=(late, settings["late"]), early=(early, settings["early"])) as gateway:
        assert (await gateway.call_tool("a_echo")).text == "late"
        assert [one.calls for one in (a, early, late)] == [1, 1, 1]
        fault = (await gateway.call_tool("a_echo")).fault
        assert fault is not None
        assert (fault.code, fault.message, fault.backend) == (-32001, "late", "late")
        assert list(gateway.catalogue.names(TOOLS)) == ["a_echo"]


async def test_a_backend_without_stand_ins_answers_for_itself_alone(autojump_clock: Clock) -> None:
    """TST-U13: no mapping, no failover."""
    a, b = playing(RpcError(-32000, "a")), playing()
    async with running(a=(a, {}), b=(b, {})) as gateway:
        fault = (await gateway.call_tool("a_echo")).fault
        assert fault is not None
        assert (fault.message, b.calls) == ("a", 0)


async def test_a_stand_in_gets_the_whole_request_under_its_own_name(autojump_clock: Clock) -> None:
    """TST-U13: what continues an earlier exchange is kept, too."""
    a, b = playing(RpcError()), playing()
    params = {"arguments": Raw(b'{"n":1}'), "requestState": Raw(b'"s"'), "inputResponses": Raw(b'{"k":{}}'), "_meta": Raw(b'{"x":1}')}
    async with running(a=(a, {}), b=(b, SPARE)) as gateway:
        await gateway.handler(Call("tools/call", "a_echo", {"name": Raw(b'"a_echo"'), **params}))
        for backend in (a, b):
            (request,) = [one for one in backend.received if isinstance(one, Request) and one.method == "tools/call"]
            kept = {key: bytes(raw) for key, raw in request.params.items()}
            assert kept == {"name": b'"echo"', **{key: bytes(raw) for key, raw in params.items()}}


async def test_a_primary_that_was_never_there_is_passed_over_and_its_stand_in_lends_its_lists(autojump_clock: Clock) -> None:
    """LIM-19, TST-G5: with every policy on it; a skipped primary costs no attempt, no pause and no budget."""
    a, b = playing(), playing(Answer("here"))
    a.refuse = "nobody home"
    settings = {"retry": RetrySettings(budget_percent=10), "circuit_breaker": BreakerSettings(), "concurrency": ConcurrencySettings(1)}
    async with running(a=(a, settings), b=(b, SPARE)) as gateway:
        began = trio.current_time()
        assert (await gateway.call_tool("a_echo")).text == "here"
        assert trio.current_time() == began
        budget = gateway.policies["a"].budget
        assert budget is not None
        assert (budget.calls, budget.drawn) == (1, 0)


async def test_a_canary_is_hidden_and_still_gets_its_share(autojump_clock: Clock) -> None:
    """TST-I20: an empty list of what it exposes changes neither; its filter stands outside of the split."""
    a, trial = playing(Answer("old")), playing(Answer("new"))
    hidden: dict[str, Any] = {"canary_of": "a", "weight": 50, "expose_tools": ()}
    async with running(a=(a, {}), trial=(trial, hidden)) as gateway:
        assert list(gateway.catalogue.names(TOOLS)) == ["a_echo"]
        texts = [(await gateway.call_tool("a_echo")).text for _ in range(10)]
        assert (texts.count("old"), texts.count("new")) == (5, 5)
        fault = (await gateway.call_tool("trial_echo")).fault
        assert fault is not None
        assert fault.message == "Tool not available: trial_echo"


async def test_a_canary_that_fails_falls_back_to_its_primary_and_from_there_to_the_stand_in(autojump_clock: Clock) -> None:
    """CAN-4: the caller of a trial is no worse off than the others."""
    a, trial, b = playing(Answer("old"), RpcError()), playing(RpcError()), playing(Answer("spare"))
    async with running(a=(a, {}), trial=(trial, {"canary_of": "a", "weight": 100}), b=(b, SPARE)) as gateway:
        assert [(await gateway.call_tool("a_echo")).text for _ in range(2)] == ["old", "spare"]
        assert [one.calls for one in (trial, a, b)] == [2, 2, 1]


async def test_a_call_is_mirrored_once_however_often_it_is_retried_hedged_and_passed_on(autojump_clock: Clock) -> None:
    a, trial, b, shadow = playing(RpcError(), Delay(60)), playing(RpcError()), playing(Answer("spare")), playing()
    busy = {"retry": QUICK_RETRY, "hedging": HedgeSettings(delay_ms=100), "timeout": TimeoutSettings(seconds=60, per_attempt_seconds=1)}
    canary = {"canary_of": "a", "weight": 100}
    async with running(a=(a, busy), trial=(trial, canary), b=(b, SPARE), shadow=(shadow, {"mirror_of": "a"})) as gateway:
        for number in range(1, 4):
            assert (await gateway.call_tool("a_echo")).text == "spare"
            await trio.testing.wait_all_tasks_blocked()
            assert (shadow.calls, trial.calls, b.calls) == (number, number, number)
        assert a.calls == 5 + 6 + 6, "retries, and copies of those that were slow"


async def test_an_open_and_an_unhealthy_member_are_passed_over_and_an_ejected_one_is_asked_last(autojump_clock: Clock) -> None:
    """FO-3, HC-7: in the order of priority among those that are left; the ejected when nobody else is left."""
    a, open_, sick, out, well = (
        playing(RpcError()),
        playing(),
        playing(),
        playing(Answer("out"), RpcError(), Answer("out")),
        playing(RpcError()),
    )
    health = HealthSettings(interval_seconds=1, timeout_seconds=0.5, unhealthy_threshold=1)
    guarded = {**SPARE, "circuit_breaker": BreakerSettings()}
    watched = {**SPARE, "outlier_detection": OutlierSettings(consecutive_errors=1, base_ejection_seconds=15)}
    members = {"open": (open_, guarded), "sick": (sick, {**SPARE, "health": health}), "out": (out, watched), "well": (well, SPARE)}
    async with running(a=(a, {}), **members) as gateway:
        breaker, outlier = gateway.policies["open"].breaker, gateway.policies["out"].outlier
        assert breaker is not None
        assert outlier is not None
        breaker.force_open()
        sick.mute = True
        await trio.sleep(2)
        assert (await gateway.call_tool("a_echo")).text == "out"
        assert [one.calls for one in (a, open_, sick, out, well)] == [1, 0, 0, 1, 0]
        assert (await gateway.call_tool("a_echo")).fault is not None, "now it fails, and is ejected for 15 s"
        assert (out.calls, well.calls) == (2, 1)
        assert outlier.is_ejected
        assert (await gateway.call_tool("a_echo")).text == "out"
        assert [one.calls for one in (a, open_, sick, out, well)] == [3, 0, 0, 3, 2], "asked last"


async def test_a_member_whose_breaker_is_open_is_passed_over_without_using_up_the_budget(autojump_clock: Clock) -> None:
    """FO-3, RES-5: asking it would cost an attempt beyond the first, and bring nothing."""
    a, open_, well = playing(RpcError()), playing(), playing(Answer("well"))
    settings = {"retry": RetrySettings(max_retries=0, budget_percent=1, min_retries_per_sec=0)}
    members = {"open": (open_, {**SPARE, "circuit_breaker": BreakerSettings()}), "well": (well, SPARE)}
    async with running(a=(a, settings), **members) as gateway:
        breaker = gateway.policies["open"].breaker
        assert breaker is not None
        breaker.force_open()
        assert (await gateway.call_tool("a_echo")).text == "well"
