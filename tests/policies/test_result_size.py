"""Results that are larger than a backend's may be are thrown away, and their callers told so (LIM-57)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
from tests.kit.tools import SAFE

from sluicegate import Builder, ResultSize, ResultSizeSettings
from sluicegate.gateway.readings import families_of, parts_of_policies
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import client_mistake
from sluicegate.protocol.messages import Raw
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, RpcError

Clock = trio.testing.MockClock
LIMIT: dict[str, Any] = {"result_size": ResultSizeSettings(100)}
LARGE = Answer("x" * 100)


def policy(reply: Reply, most: int = 10) -> ResultSize:
    async def inner(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return reply

    return ResultSize(inner, ResultSizeSettings(most), "b")


@pytest.mark.parametrize(
    ("reply", "method"),
    [
        (Reply(Raw(b'{"a":"123"')), "tools/call"),  # as many bytes as may be
        (Reply(Raw(b'{"values":[1,2,3]}')), "completion/complete"),
        (Reply.failed(client_mistake("a message of more than ten bytes")), "tools/call"),
    ],
)
async def test_what_is_within_the_limit_passes_and_so_does_what_is_no_result_of_work(reply: Reply, method: str) -> None:
    limit = policy(reply, 11)
    assert await limit(Call(method, "t", {})) is reply
    assert limit.refused == 0


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "prompts/get"])
async def test_one_byte_more_is_an_error_that_says_how_large_it_was_and_what_to_do(method: str) -> None:
    """LIM-57."""
    limit = policy(Reply(Raw(b'{"a":"12345"}')), 12)
    fault = (await limit(Call(method, "t", {}))).fault
    assert fault is not None
    assert (fault.code, fault.reason, fault.backend, fault.started) == (-32603, "bad_answer", "b", True)
    assert fault.message.endswith("its result has 13 bytes, and result_size.max_bytes allows 12")
    assert "ask for less at a time" in fault.hint
    assert limit.refused == 1


async def test_a_large_result_is_not_asked_for_again_nor_elsewhere_and_speaks_against_nobody(autojump_clock: Clock) -> None:
    """LIM-57: the work is done; doing it again costs as much and gives as much."""
    near, far = ScriptedBackend(LARGE, tools=[SAFE]), ScriptedBackend(name="far")
    careful: dict[str, Any] = {"retry": {}, "hedging": {"delay_ms": 50}, "circuit_breaker": {"minimum_calls": 1}}
    builder = Builder("x").backend("b", near.connector, **LIMIT, **careful).backend("far", far.connector, failover_for="b")
    async with builder.open() as gateway:
        await gateway.settled()
        reply = await gateway.call_tool("b_echo")
        assert reply.fault is not None
        assert (near.calls, far.calls) == (1, 0)
        breaker, limit = gateway.policies["b"].breaker, gateway.policies["b"].of(ResultSize)
        assert breaker is not None
        assert limit is not None
        assert (breaker.is_open, limit.refused) == (False, 1)
        (family,) = [family for family in families_of(parts_of_policies(gateway.policies)) if family.name.endswith("results_refused")]
        assert [value for _labels, value in family.samples] == [1]


async def test_a_stand_ins_result_has_the_limit_of_the_backend_that_was_asked_for(autojump_clock: Clock) -> None:
    near, far = ScriptedBackend(RpcError(), tools=["t"]), ScriptedBackend(LARGE, name="far", tools=["t"])
    builder = Builder("x").backend("b", near.connector, **LIMIT).backend("far", far.connector, failover_for="b")
    async with builder.open() as gateway:
        await gateway.settled()
        reply = await gateway.call_tool("b_t")
        assert reply.fault is not None
        assert (far.calls, reply.fault.reason) == (1, "bad_answer")


async def test_another_limit_holds_for_calls_that_are_on_their_way_no_more_than_the_old_one_does(autojump_clock: Clock) -> None:
    """A change makes another policy, and whoever has passed the old one comes back through it."""
    backend = ScriptedBackend(LARGE, tools=["t"])
    async with Builder("x").backend("b", backend.connector, **LIMIT).open() as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("b_t")).fault is not None
        (config,) = gateway.config.backends
        await gateway.apply([attrs.evolve(config, result_size=ResultSizeSettings(1000))])
        assert (await gateway.call_tool("b_t")).fault is None
