"""Once a person was asked nothing is tried again, and his time is nobody's slowness: each policy with a question, and without one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING

from sluicegate import Builder, Gateway
from sluicegate.config.model import TimeoutSettings
from sluicegate.policies.settings import BreakerSettings, HealthSettings, HedgeSettings, RetrySettings
from sluicegate.protocol.clientele import Clientele
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.line_client import LineClient, open_line_client
from sluicegate.testing.script import Answer, Ask, Delay, RpcError, Step

Clock = trio.testing.MockClock
READS = {"name": "echo", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
with_and_without = pytest.mark.parametrize("asks", [True, False], ids=["asked", "not asked"])
SLOW = 40.0
"""Seconds until the person answers, or the backend does without."""


def backend(step: Step, *, asks: bool) -> ScriptedBackend:
    """One whose first call ends like this, and whose others are answered."""
    return ScriptedBackend(Ask(then=step) if asks else step, Answer("again"), name="b", tools=[READS])


@asynccontextmanager
async def calling(builder: Builder, clock: Clock) -> AsyncGenerator[tuple[Gateway, LineClient], None]:
    """A client on stdio that has called the tool ``b_echo``."""
    del clock
    async with (
        trio.open_nursery() as nursery,
        builder.open(one_client=Clientele()) as gateway,
        open_line_client(gateway.serve_stdio, nursery) as lines,
    ):
        hello = {"protocolVersion": "2025-11-25", "capabilities": EVERYTHING, "clientInfo": {}}
        await lines.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        assert (await lines.next())["id"] == 0
        await call(lines)
        yield gateway, lines


async def call(lines: LineClient) -> None:
    await lines.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "b_echo", "arguments": {}}})


async def answered(lines: LineClient, *, asks: bool, after: float = 0) -> dict[str, Any]:
    """The answer to the call; what is asked first is answered after so many seconds."""
    if asks:
        question = await lines.next()
        await trio.sleep(after)
        await lines.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}})
    answer: dict[str, Any] = await lines.next()
    assert answer["id"] == 1, answer
    return answer


@with_and_without
async def test_a_call_that_has_asked_is_not_tried_again(asks: bool, autojump_clock: Clock) -> None:
    scripted = backend(RpcError(-32603, "down"), asks=asks)
    async with calling(Builder("x").backend("b", scripted.connector, retry=RetrySettings()), autojump_clock) as (_, lines):
        answer = await answered(lines, asks=asks)
        assert ("error" in answer, scripted.calls) == ((True, 1) if asks else (False, 2))


@with_and_without
async def test_of_a_call_that_has_asked_no_copy_is_sent(asks: bool, autojump_clock: Clock) -> None:
    scripted = backend(Delay(SLOW, Answer("first")), asks=asks)
    settings = HedgeSettings(delay_ms=1000.0)
    async with calling(Builder("x").backend("b", scripted.connector, hedging=settings), autojump_clock) as (_, lines):
        answer = await answered(lines, asks=asks)
        assert (answer["result"]["content"][0]["text"], scripted.calls) == (("first", 1) if asks else ("again", 2))


async def test_a_copy_that_is_on_its_way_asks_nobody(autojump_clock: Clock) -> None:
    """Of two copies one may ask, and it is the client's own call that does."""
    scripted = ScriptedBackend(Delay(5, Ask(then=Answer("first"))), Delay(1, Ask(then=Answer("copy"))), name="b", tools=[READS])
    settings = HedgeSettings(delay_ms=1000.0)
    async with calling(Builder("x").backend("b", scripted.connector, hedging=settings), autojump_clock) as (_, lines):
        heard = [await lines.next()]
        while heard[-1].get("id") != 1 or "method" in heard[-1]:
            if heard[-1].get("method") == "elicitation/create":
                await lines.send({"jsonrpc": "2.0", "id": heard[-1]["id"], "result": {"action": "accept"}})
            heard.append(await lines.next())
        assert "result" in heard[-1]
        assert scripted.calls == 2
        assert len([message for message in heard if message.get("method") == "elicitation/create"]) <= 2


@with_and_without
async def test_for_a_call_that_has_asked_nobody_stands_in(asks: bool, autojump_clock: Clock) -> None:
    scripted, spare = backend(RpcError(-32603, "down"), asks=asks), ScriptedBackend(Answer("spare"), name="spare", tools=[READS])
    builder = Builder("x").backend("b", scripted.connector).backend("spare", spare.connector, failover_for="b")
    async with calling(builder, autojump_clock) as (_, lines):
        answer = await answered(lines, asks=asks)
        assert ("error" in answer, spare.calls) == ((True, 0) if asks else (False, 1))


@with_and_without
async def test_a_person_who_thinks_does_not_open_the_breaker(asks: bool, autojump_clock: Clock) -> None:
    scripted = backend(Answer("at last") if asks else Delay(SLOW, Answer("at last")), asks=asks)
    settings = BreakerSettings(minimum_calls=1, slow_call_seconds=5.0)
    async with calling(Builder("x").backend("b", scripted.connector, circuit_breaker=settings), autojump_clock) as (gateway, lines):
        assert "result" in await answered(lines, asks=asks, after=SLOW)
        assert gateway.policies["b"].is_open is not asks


@with_and_without
async def test_a_person_who_does_not_answer_does_not_make_the_backend_sick(asks: bool, autojump_clock: Clock) -> None:
    scripted = backend(Answer("never"), asks=True) if asks else backend(Delay(1000, Answer("never")), asks=False)
    settings = HealthSettings(by_calls=True, unhealthy_threshold=1)
    timeout = TimeoutSettings(seconds=SLOW)
    builder = Builder("x").backend("b", scripted.connector, health=settings, timeout=timeout)
    async with calling(builder, autojump_clock) as (gateway, lines):
        heard = [await lines.next()]
        while "error" not in heard[-1]:
            heard.append(await lines.next())
        assert (len(heard) > 1) is asks
        health = gateway.backends["b"].health
        assert health is not None
        assert health.is_healthy is asks


@with_and_without
async def test_the_time_of_an_attempt_stands_still_while_a_person_thinks(asks: bool, autojump_clock: Clock) -> None:
    scripted = backend(Answer("at last") if asks else Delay(SLOW, Answer("at last")), asks=asks)
    timeout = TimeoutSettings(per_attempt_seconds=2.0)
    async with calling(Builder("x").backend("b", scripted.connector, timeout=timeout), autojump_clock) as (_, lines):
        assert ("result" in await answered(lines, asks=asks, after=SLOW)) is asks


async def test_where_two_calls_may_have_asked_neither_is_tried_again_nor_cut(autojump_clock: Clock) -> None:
    """A pipe does not say which it is."""
    fails = Delay(SLOW, RpcError(-32603, "down"))
    scripted = ScriptedBackend(Ask(then=Answer("asked")), fails, Answer("again"), name="b", tools=[READS])
    settings, timeout = RetrySettings(), TimeoutSettings(per_attempt_seconds=5.0)
    async with calling(Builder("x").backend("b", scripted.connector, retry=settings, timeout=timeout), autojump_clock) as (_, lines):
        question = await lines.next()
        await lines.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "b_echo", "arguments": {}}})
        await trio.sleep(1)
        scripted.sessions[0].receive(b'{"jsonrpc":"2.0","id":"second","method":"roots/list"}')
        second = await lines.next()
        answer = await lines.next()
        assert (answer["id"], answer["error"]["message"]) == (2, "down")
        await lines.send({"jsonrpc": "2.0", "id": second["id"], "result": {"roots": []}})
        await lines.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}})
        assert (await lines.next())["result"]["content"][0]["text"] == "asked"
        assert scripted.calls == 2
