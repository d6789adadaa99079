"""What a backend's limits are for, and who had a call whose time was up."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from sluicegate import Builder, Call
from sluicegate.config.model import TimeoutSettings
from sluicegate.policies.settings import ConcurrencySettings, RateLimitSettings
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.reply import Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, RpcError

Clock = trio.testing.MockClock
TYPING = {"ref": {"type": "ref/prompt", "name": "b_greet"}, "argument": {"name": "who", "value": "a"}}


def typed() -> Call:
    return Call("completion/complete", "completion/complete", {key: Raw(encode(value)) for key, value in TYPING.items()})


async def test_what_a_person_types_uses_up_no_tokens_of_tool_calls(autojump_clock: Clock) -> None:
    """RES-0c, RES-20: a completion for each key, and the one call of the minute still passes."""
    b = ScriptedBackend(name="b", prompts=["greet"])
    async with Builder("x").backend("b", b.connector, rate_limit=RateLimitSettings(1, period_seconds=60)).open() as gateway:
        await gateway.settled()
        for _ in range(20):
            reply = await gateway.handler(typed())
            assert reply.fault is None
        assert (await gateway.call_tool("b_echo")).fault is None
        assert outcome(await gateway.call_tool("b_echo")) == "rate_limited"
        assert outcome(await gateway.handler(typed())) == "ok"


async def test_what_a_person_types_takes_no_place_of_tool_calls(autojump_clock: Clock) -> None:
    """RES-0c, RES-15: neither while it runs, nor does it wait for one."""
    b = ScriptedBackend(Delay(5), Delay(5), Answer("and on"), name="b", prompts=["greet"])
    replies: list[Reply] = []

    async def run(call: Call) -> None:
        replies.append(await gateway.handler(call))

    places = ConcurrencySettings(1, max_queue=0)
    async with Builder("x").backend("b", b.connector, concurrency=places).open() as gateway:
        await gateway.settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, typed())
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(run, Call.tool("b_echo"))
            await trio.testing.wait_all_tasks_blocked()
            await run(typed())
    assert [outcome(reply) for reply in replies] == ["ok", "ok", "ok"]
    assert b.calls == 3


async def test_the_gateways_own_limit_is_for_every_request(autojump_clock: Clock) -> None:
    """GRL-1."""
    b = ScriptedBackend(name="b", prompts=["greet"])
    builder = Builder("x").proxy(rate_limit=RateLimitSettings(1, period_seconds=60, max_wait_seconds=0)).backend("b", b.connector)
    async with builder.open() as gateway:
        await gateway.settled()
        assert [outcome(await gateway.handler(typed())) for _ in range(2)] == ["ok", "rate_limited"]


@pytest.mark.parametrize(
    ("primary", "spare", "had"),
    [
        (Delay(60), Answer("x"), "b"),
        (RpcError(), Delay(60), "spare"),
    ],
    ids=["the primary", "a stand-in"],
)
async def test_a_call_whose_time_is_up_names_who_had_it(primary: Any, spare: Any, had: str, autojump_clock: Clock) -> None:
    """RES-E10: ``data.backend``, whichever clock it was."""
    b, stand_in = ScriptedBackend(primary, name="b"), ScriptedBackend(spare, name="spare")
    builder = Builder("x").backend("b", b.connector, timeout=TimeoutSettings(seconds=3))
    async with builder.backend("spare", stand_in.connector, failover_for="b").open() as gateway:
        await gateway.settled()
        fault = (await gateway.call_tool("b_echo")).fault
        assert fault is not None
        assert (fault.reason, fault.backend, fault.message) == ("timeout", had, "request timed out: 'b_echo' took longer than 3 s")
        assert b'"backend":"%b"' % had.encode() in fault.encode()


def outcome(reply: Reply) -> str:
    return reply.outcome("x")
