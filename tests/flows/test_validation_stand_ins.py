"""Whose word counts on calls that another backend takes: what clients see is the primary's, and what a stand-in says is about itself (LIM-56, LIM-94)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio.testing

from sluicegate import Builder, Gateway
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Result, RpcError

Clock = trio.testing.MockClock
Json = dict[str, Any]


def tool(kind: str, **others: Any) -> Json:
    """One whose argument ``a`` and result ``sum`` are of this kind."""
    takes = {"type": "object", "properties": {"a": {"type": kind}, **others}}
    return {
        "name": "add",
        "inputSchema": takes,
        "outputSchema": {"type": "object", "properties": {"sum": {"type": kind}}, "required": ["sum"]},
    }


OLD, NEW = tool("integer"), tool("string")
NUMBER = Result(b'{"content":[],"structuredContent":{"sum":3}}')
TEXT = Result(b'{"content":[],"structuredContent":{"sum":"3"}}')


@asynccontextmanager
async def opened(
    primary: ScriptedBackend, other: ScriptedBackend, of_primary: Json | None = None, **of_other: Any
) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x").backend("b", primary.connector, **(of_primary or {})).backend("c", other.connector, **of_other)
    async with builder.open() as gateway:
        await gateway.ready()
        yield gateway


async def outcome(gateway: Gateway, **arguments: object) -> str:
    return (await gateway.call_tool("b_add", arguments)).outcome("tools/call")


ENFORCE: Json = {"validate": "enforce"}


@pytest.mark.parametrize("own", [{}, ENFORCE])
async def test_what_does_not_fit_the_list_is_refused_whoever_was_to_answer(own: Json, autojump_clock: Clock) -> None:
    primary, canary = ScriptedBackend(NUMBER, tools=[OLD]), ScriptedBackend(NUMBER, tools=[OLD])
    async with opened(primary, canary, ENFORCE, canary_of="b", weight=50, **own) as gateway:
        assert [await outcome(gateway, a="x") for _ in range(4)] == ["tool_error"] * 4
        assert (primary.calls, canary.calls) == (0, 0)
        assert [await outcome(gateway, a=1) for _ in range(4)] == ["ok"] * 4
        assert (primary.calls, canary.calls) == (2, 2), "a refused call uses up nobody's share"


async def test_what_is_refused_for_the_list_says_nothing_against_a_canary(autojump_clock: Clock) -> None:
    primary, canary = ScriptedBackend(NUMBER, tools=[OLD]), ScriptedBackend(NUMBER, tools=[OLD])
    guard = {"minimum_calls": 5, "minimum_failures": 1}
    async with opened(primary, canary, ENFORCE, canary_of="b", weight=50, canary_guard=guard) as gateway:
        for _ in range(20):
            await outcome(gateway, a=1)
            await outcome(gateway, a="x")
        trial = gateway.policies["c"].canary_guard
        assert trial is not None
        assert not trial.is_held_back


async def test_a_result_that_the_list_does_not_promise_is_nothing_to_give_and_the_primary_is_asked(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    primary, canary = ScriptedBackend(NUMBER, tools=[OLD]), ScriptedBackend(TEXT, tools=[NEW])
    async with opened(primary, canary, ENFORCE, canary_of="b") as gateway:
        reply = await gateway.call_tool("b_add", {"a": 1})
    assert (reply.value["structuredContent"], primary.calls, canary.calls) == ({"sum": 3}, 1, 1)
    assert "sent an answer that cannot be used: its structuredContent does not fit its outputSchema" in caplog.text


async def test_a_canary_that_takes_something_else_than_the_list_says_is_passed_over_where_it_is_to_say_so(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client has done nothing wrong."""
    primary, canary = ScriptedBackend(NUMBER, tools=[OLD]), ScriptedBackend(TEXT, tools=[NEW])
    async with opened(primary, canary, canary_of="b", **ENFORCE) as gateway:
        assert (await outcome(gateway, a=7), primary.calls, canary.calls) == ("ok", 1, 0)
        assert (await outcome(gateway, a="x"), primary.calls, canary.calls) == ("ok", 1, 1)
    assert """takes no such arguments: "/a" does not keep to "type\"""" in caplog.text


async def test_a_canary_keeps_its_own_promises_where_it_is_to(autojump_clock: Clock) -> None:
    primary, canary = ScriptedBackend(NUMBER, tools=[OLD]), ScriptedBackend(Answer("no structure"), tools=[OLD])
    async with opened(primary, canary, canary_of="b", **ENFORCE) as gateway:
        assert (await outcome(gateway, a=1), primary.calls, canary.calls) == ("ok", 1, 1)


async def test_what_a_canary_is_only_to_tell_of_passes(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    primary, canary = ScriptedBackend(NUMBER, tools=[OLD]), ScriptedBackend(NUMBER, tools=[NEW])
    async with opened(primary, canary, canary_of="b", validate="warn") as gateway:
        assert (await outcome(gateway, a=1), primary.calls, canary.calls) == ("ok", 0, 1)
    assert [record.getMessage().count("does not fit a call") for record in caplog.records if "fit" in record.getMessage()] == [1, 1]


async def test_a_canary_is_judged_by_its_own_tools_under_the_rules_that_its_calls_go_by(autojump_clock: Clock) -> None:
    rules = {"param_overrides": [{"tool": "add", "rename": {"a": "number"}}]}
    primary, canary = ScriptedBackend(NUMBER, tools=[OLD]), ScriptedBackend(NUMBER, tools=[OLD])
    async with opened(primary, canary, rules, canary_of="b", **ENFORCE) as gateway:
        assert (await outcome(gateway, number="x"), primary.calls, canary.calls) == ("ok", 1, 0)
        assert (await outcome(gateway, number=1), primary.calls, canary.calls) == ("ok", 1, 1)


async def test_while_a_primary_is_away_what_is_lent_to_its_list_counts(autojump_clock: Clock) -> None:
    other = ScriptedBackend(NUMBER, tools=[OLD])
    away = ScriptedBackend(tools=[OLD])
    away.refuse = "nobody home"
    builder = Builder("x").backend("b", away.connector, **ENFORCE).backend("c", other.connector, failover_for="b")
    async with builder.open() as gateway:
        await gateway.settled()
        assert [one["name"] for one in gateway.list_tools()] == ["b_add"]
        assert (await outcome(gateway, a="x"), other.calls) == ("tool_error", 0)
        assert (await outcome(gateway, a=1), other.calls) == ("ok", 1)


async def test_where_nobody_is_left_who_would_take_a_call_its_client_hears_who_would_not(autojump_clock: Clock) -> None:
    failing, other = ScriptedBackend(*[RpcError(-32603, "its own words")] * 2, tools=[OLD]), ScriptedBackend(TEXT, tools=[NEW])
    async with opened(failing, other, failover_for="b", **ENFORCE) as gateway:
        reply = await gateway.call_tool("b_add", {"a": 1})
        assert reply.fault is not None
        assert reply.fault.message == "its own words", "what was said by who was asked says more"
        failing.refuse = "gone"
        failing.crash()
        await trio.testing.wait_all_tasks_blocked()
        fault = (await gateway.call_tool("b_add", {"a": 1})).fault
        assert fault is not None
        assert (fault.code, fault.reason, fault.backend, other.calls) == (-32602, "unfit_arguments", "c", 0)
        assert fault.message == """backend 'c' stands in for another, and takes no such arguments: "/a" does not keep to "type\""""
