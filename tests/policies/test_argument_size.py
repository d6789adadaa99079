"""Arguments of a tool's call that are too large are refused before anybody has work with them."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from sluicegate import Builder, Gateway, open_gateway
from sluicegate.config.load import ConfigError, parse
from sluicegate.config.model import Config, SecurityConfig
from sluicegate.gateway.readings import families_of, parts_of_policies
from sluicegate.policies.argument_size import ArgumentLimit, ArgumentSize
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock
DONE = Reply()


async def inner(call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return DONE


def call_with(arguments: bytes | None, method: str = "tools/call") -> Call:
    return Call(method, "t", {"name": Raw(b'"t"')} | ({} if arguments is None else {"arguments": Raw(arguments)}))


@pytest.mark.parametrize(
    ("arguments", "method"),
    [
        (b'{"a":"123"}', "tools/call"),  # as many bytes as may be
        (b'{ "a" : [ 1 ,\n\t2 ] }', "tools/call"),  # blanks do not count
        (None, "tools/call"),
        (b'{"topic":"a long one"}', "prompts/get"),
        (b'{"topic":"a long one"}', "completion/complete"),
    ],
)
async def test_what_is_within_the_limit_or_no_call_of_a_tool_passes(arguments: bytes | None, method: str) -> None:
    """VAL-1: equal is allowed."""
    policy = ArgumentSize(inner, ArgumentLimit(11))

    assert await policy(call_with(arguments, method)) is DONE
    assert policy.limit.refused == 0


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        (b'{"a":"123"}', 11),
        (b'{ "a" : "123" }', 11),
        (b'{"a":"  b"}', 11),  # a blank in a text is a part of it
        ('{"a":"éé"}'.encode(), 12),  # bytes, not letters
        (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b" }", 4007),  # too deep to be looked at
    ],
)
async def test_what_is_above_is_refused_with_its_size_and_the_limit(arguments: bytes, size: int) -> None:
    """VAL-1: -32602, and no backend has seen it."""
    policy = ArgumentSize(inner, ArgumentLimit(10))

    fault = (await policy(call_with(arguments))).fault

    assert fault is not None
    assert (fault.code, fault.message) == (-32602, f"Tool arguments exceed maximum size: {size} bytes (limit: 10 bytes)")
    assert not fault.counts_against_backend
    assert policy.limit.refused == 1


def limited(builder: Builder, most: int) -> Config:
    built = builder.config()
    return Config(built.proxy, built.backends, security=SecurityConfig(max_argument_size=most))


async def test_in_a_gateway_each_backend_counts_what_it_was_spared(autojump_clock: Clock) -> None:
    """VAL-1: no attempt, no copy for a mirror, no other backend; and the count outlives a change of the fleet."""
    one, shadow, other = (ScriptedBackend(tools=["t"]) for _ in range(3))
    servers: dict[str, Any] = {"one": one.connector, "shadow": shadow.connector, "other": other.connector}
    builder = Builder("x").backend("one", one.connector, retry={}).backend("shadow", shadow.connector, mirror_of="one", mirror_hidden=True)
    builder = builder.backend("other", other.connector, failover_for="one")
    async with open_gateway(limited(builder, 10), servers=servers) as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("one_t", {"a": "12"})).fault is None
        assert "(limit: 10 bytes)" in await _refusal(gateway, {"a": "123"})
        await gateway.remove_backend("shadow")
        assert "exceed maximum size: 11 bytes" in await _refusal(gateway, {"a": "123"})

        (shown,) = (family for family in families_of(parts_of_policies(gateway.policies)) if family.name == "arguments_refused")
        assert (shown.kind, sorted(shown.samples)) == ("counter", [(("one",), 2.0), (("other",), 0.0)])
        counted = {name: policies.arguments.refused for name, policies in gateway.policies.items() if policies.arguments is not None}

    assert counted == {"one": 2, "other": 0}
    assert [backend.calls for backend in (one, shadow, other)] == [1, 1, 0]


async def _refusal(gateway: Gateway, arguments: dict[str, object]) -> str:
    fault = (await gateway.call_tool("one_t", arguments)).fault
    assert fault is not None
    assert (fault.code, fault.reason) == (-32602, "invalid_params")
    return fault.message


def test_a_limit_that_nothing_is_below_is_refused() -> None:
    text = "[proxy]\nname = 'p'\n[[backends]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\n[security]\nmax_argument_size = 0\n"

    with pytest.raises(ConfigError) as caught:
        parse(text)

    (found,) = caught.value.problems
    assert (found.path, found.line) == ("security.max_argument_size", 8)
    assert found.what == "security.max_argument_size must be > 0, got 0"
    assert found.instead
