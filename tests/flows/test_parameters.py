"""Parameters of tools that are hidden, renamed and supplied, through the whole gateway (PAR-1, PAR-2, INJ-1, LIM-43, GMW-5)."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio.testing

from sluicegate import Builder, Reply
from sluicegate.config.load import parse
from sluicegate.config.model import BackendConfig
from sluicegate.protocol.calls import Call, Caller, Handler
from sluicegate.protocol.messages import Request
from sluicegate.protocol.principal import Principal
from sluicegate.settings.keeping import CacheSettings
from sluicegate.settings.parameters import ArgumentsConfig, ParametersConfig
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import RpcError

Clock = trio.testing.MockClock
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}, "debug": {}, "limit": {"type": "integer"}}, "required": ["q", "limit"]}
LOOKS = ParametersConfig("find", ("debug",), {"limit": 10, "debug": False}, {"q": "query"}, "Find", "Finds books.")
RULES: dict[str, Any] = {"param_overrides": (LOOKS,)}


def a_backend(*script: RpcError) -> ScriptedBackend:
    return ScriptedBackend(*script, tools=[{"name": "find", "inputSchema": SCHEMA}, "other"])


def arguments(backend: ScriptedBackend) -> list[Any]:
    calls = [message for message in backend.received if isinstance(message, Request) and message.method == "tools/call"]
    return [json.loads(bytes(call.params["arguments"])) for call in calls]


def refused(reply: Reply) -> tuple[int, str]:
    assert reply.fault is not None
    return reply.fault.code, reply.fault.message


async def test_clients_see_a_tool_under_its_rules_and_the_backend_its_own_parameters(autojump_clock: Clock) -> None:
    backend = a_backend()
    async with Builder("x").backend("b", backend.connector, **RULES).open() as gateway:
        await gateway.ready()
        shown, other = gateway.list_tools()
        await gateway.call_tool("b_find", {"query": "trio", "limit": 3})
        await gateway.call_tool("b_find")
        await gateway.call_tool("b_other", {"q": 1})

    properties = {"query": {"type": "string"}, "limit": {"type": "integer"}}
    assert shown["inputSchema"] == {"type": "object", "properties": properties, "required": ["query"]}
    assert (shown["title"], shown["description"], other["inputSchema"]) == ("Find", "Finds books.", {"type": "object"})
    assert arguments(backend) == [{"q": "trio", "limit": 3, "debug": False}, {"limit": 10, "debug": False}, {"q": 1}]


@pytest.mark.parametrize("name", ["debug", "DEBUG", "q", "Q"])
async def test_what_is_hidden_or_has_another_name_cannot_be_given(name: str, autojump_clock: Clock) -> None:
    """PAR-2: whatever case it is written in, since there are servers that take no notice of it."""
    backend = a_backend()
    async with Builder("x").backend("b", backend.connector, **RULES).open() as gateway:
        await gateway.ready()
        reply = await gateway.call_tool("b_find", {"query": "trio", name: 1})
    assert (refused(reply), arguments(backend)) == ((-32602, f'this tool has no parameter "{name}"; leave it out'), [])


async def test_what_is_said_nearer_to_a_tool_counts_more(autojump_clock: Clock) -> None:
    """LIM-43: a rule of the tool beats what all tools are given, and what a client says beats both, unless it is overwritten."""
    rules: dict[str, Any] = {
        "default_args": {"limit": 1, "tenant": "all", "page": 1},
        "inject_args": (
            ArgumentsConfig("find", {"limit": 2, "page": 2}),
            ArgumentsConfig("find", {"limit": 3}),
            ArgumentsConfig("find", {"tenant": "acme"}, overwrite=True),
        ),
        "param_overrides": (ParametersConfig("find", defaults={"page": 4}),),
    }
    backend = a_backend()
    async with Builder("x").backend("b", backend.connector, **rules).open() as gateway:
        await gateway.ready()
        await gateway.call_tool("b_find", {"q": "a", "page": 9, "Tenant": "other"})
        await gateway.call_tool("b_find", {"q": "a"})
        await gateway.call_tool("b_other")
    assert arguments(backend) == [
        {"q": "a", "page": 9, "limit": 3, "tenant": "acme"},
        {"q": "a", "limit": 3, "tenant": "acme", "page": 4},
        {"limit": 1, "tenant": "all", "page": 1},
    ]


async def test_a_tool_can_be_given_who_calls_and_nobody_without_a_name_may_call_it(autojump_clock: Clock) -> None:
    """INJ-1. Whatever somebody is called, it stays within the text that it is put into."""
    rules: dict[str, Any] = {"inject_args": (ArgumentsConfig("find", {"by": ["<${principal.subject}>"]}, overwrite=True),)}
    backend = a_backend()
    async with Builder("x").backend("b", backend.connector, **rules).open() as gateway:
        await gateway.ready()
        call = attrs.evolve(
            Call.tool("b_find", {"by": "me"}), caller=Caller("2025-11-25", {}, Principal('${principal.key}"\\', "https://i"))
        )
        await gateway.handler(call)
        nobody = await gateway.call_tool("b_find", {"by": "me"})
    assert arguments(backend) == [{"by": ['<${principal.key}"\\>']}]
    assert nobody.fault is not None
    assert (nobody.fault.reason, nobody.fault.code) == ("unknown_caller", -32602)


@pytest.mark.parametrize("role", ["failover_for", "canary_of"])
@pytest.mark.parametrize("own", [{}, {"default_args": {"own": True}}], ids=["the primary's rules", "its own"])
async def test_who_stands_in_goes_by_its_own_rules_or_else_by_those_of_its_primary(
    role: str, own: dict[str, Any], autojump_clock: Clock
) -> None:
    """GMW-5."""
    primary, other = a_backend(*([RpcError(-32603)] * 9)), a_backend()
    builder = Builder("x").backend("b", primary.connector, **RULES).backend("c", other.connector, **{role: "b"}, **own)
    async with builder.open() as gateway:
        await gateway.ready()
        await gateway.call_tool("b_find", {"query": "trio"})
    expected = {"query": "trio", "own": True} if own else {"q": "trio", "limit": 10, "debug": False}
    assert arguments(other) == [expected]


OWN: dict[str, Any] = {"param_overrides": (ParametersConfig("find", ("limit",), {"limit": 99}, {"query": "text"}),)}
"""Of a mirror that calls ``query`` what clients write as ``text``."""


@pytest.mark.parametrize("rules", [{}, {"default_args": {"page": 1}}], ids=["of the source none", "and others of the source"])
@pytest.mark.parametrize(
    "settings", [{}, {"coalesce_requests": True, "cache": CacheSettings(tool_ttl_seconds=60)}], ids=["alone", "shared"]
)
async def test_a_mirror_with_rules_of_its_own_gets_by_them_what_the_client_has_written(
    rules: dict[str, Any], settings: dict[str, Any], autojump_clock: Clock
) -> None:
    """GMW-5: also where the call is one for several, or its answer is kept."""
    tool = {"name": "find", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    source, mirror = ScriptedBackend(tools=[tool]), a_backend()
    builder = Builder("x").backend("b", source.connector, **rules, **settings)
    async with builder.backend("m", mirror.connector, mirror_of="b", **OWN).open() as gateway:
        await gateway.ready()
        await gateway.call_tool("b_find", {"text": "trio"})
        await trio.testing.wait_all_tasks_blocked()
    assert arguments(source) == [{"text": "trio", **rules.get("default_args", {})}]
    assert arguments(mirror) == [{"query": "trio", "limit": 99}]


async def test_a_copy_that_a_mirror_cannot_be_given_by_its_rules_has_failed(autojump_clock: Clock) -> None:
    source, mirror = a_backend(), a_backend()
    builder = Builder("x").backend("b", source.connector).backend("m", mirror.connector, mirror_of="b", mirror_compare=True, **OWN)
    async with builder.open() as gateway:
        await gateway.ready()
        assert (await gateway.call_tool("b_find", {"q": "a", "limit": 3})).fault is None
        await trio.testing.wait_all_tasks_blocked()
        told: Any = gateway.statistics()["mirror"]["m"]
        assert (told.copies["failed"], told.different) == (1, {"find": 1})
    assert arguments(mirror) == []


async def test_a_mirror_without_rules_of_its_own_goes_by_those_of_its_source_whoever_answers_for_that(autojump_clock: Clock) -> None:
    """GMW-5: a canary's own rules are for the canary."""
    source, canary, mirror = a_backend(), a_backend(), a_backend()
    builder = Builder("x").backend("b", source.connector, **RULES).backend("c", canary.connector, canary_of="b", default_args={"own": True})
    async with builder.backend("m", mirror.connector, mirror_of="b").open() as gateway:
        await gateway.ready()
        await gateway.call_tool("b_find", {"query": "trio"})
        await trio.testing.wait_all_tasks_blocked()
    assert (arguments(source), arguments(canary)) == ([], [{"query": "trio", "own": True}])
    assert arguments(mirror) == [{"q": "trio", "limit": 10, "debug": False}]


async def test_other_rules_of_a_mirror_hold_from_the_next_call_on(autojump_clock: Clock) -> None:
    source, mirror = a_backend(), a_backend()
    async with Builder("x").backend("b", source.connector).backend("m", mirror.connector, mirror_of="b").open() as gateway:
        await gateway.ready()
        for rules in (OWN, {"param_overrides": (attrs.evolve(LOOKS, rename={}),)}, {}):
            configs = [attrs.evolve(one, **{"param_overrides": (), **rules}) if one.name == "m" else one for one in gateway.config.backends]
            await gateway.apply(configs)
            await gateway.call_tool("b_find", {"text": "trio"})
            await trio.testing.wait_all_tasks_blocked()
        told: Any = gateway.statistics()["mirror"]["m"]
    assert arguments(mirror) == [{"query": "trio", "limit": 99}, {"text": "trio", "limit": 10, "debug": False}, {"text": "trio"}]
    assert told.copies["ok"] == 3


async def test_what_the_programs_own_layers_make_of_a_call_is_copied_unless_the_mirror_has_other_rules(autojump_clock: Clock) -> None:
    class Signed:
        def __init__(self, inner: Handler) -> None:
            self.inner = inner

        async def __call__(self, call: Call) -> Reply:
            return await self.inner(call.with_arguments(call.arguments | {"signed": True}))

    source, same, other = a_backend(), a_backend(), a_backend()
    builder = Builder("x").backend("b", source.connector).layer(Signed).backend("s", same.connector, mirror_of="b")
    async with builder.backend("m", other.connector, mirror_of="b", **OWN).open() as gateway:
        await gateway.ready()
        await gateway.call_tool("b_find", {"text": "trio"})
        await trio.testing.wait_all_tasks_blocked()
    assert (arguments(same), arguments(other)) == ([{"text": "trio", "signed": True}], [{"query": "trio", "limit": 99}])


async def test_a_mirror_gets_what_its_source_gets(autojump_clock: Clock) -> None:
    source, mirror = a_backend(), a_backend()
    async with Builder("x").backend("b", source.connector, **RULES).backend("m", mirror.connector, mirror_of="b").open() as gateway:
        await gateway.ready()
        await gateway.call_tool("b_find", {"query": "trio"})
        await gateway.call_tool("m_find", {"q": "its own"})
    assert arguments(source) == [{"q": "trio", "limit": 10, "debug": False}]
    assert arguments(mirror) == [*arguments(source), {"q": "its own"}]


async def test_a_tool_that_cannot_be_shown_under_its_rules_is_left_out_and_told_of(autojump_clock: Clock) -> None:
    rules = (ParametersConfig("find", ("limit",)), ParametersConfig("gone", ("a",)))
    async with Builder("x").backend("b", a_backend().connector, param_overrides=rules).open() as gateway:
        await gateway.ready()
        assert [tool["name"] for tool in gateway.list_tools()] == ["b_other"]
        assert {(remark.name, remark.what) for remark in gateway.catalogue.remarks if remark.is_mistake} == {
            ("find", "a tool cannot be shown under its rules, and is left out: 'limit' is required and hidden, and nothing supplies it"),
            ("gone", "there are rules for a tool that is not listed"),
        }


async def test_rules_change_without_another_connection(autojump_clock: Clock) -> None:
    backend = a_backend()
    async with Builder("x").backend("b", backend.connector, **RULES).open() as gateway:
        await gateway.ready()
        (config,) = gateway.config.backends
        other = (attrs.evolve(LOOKS, rename={"q": "text"}),)
        await gateway.apply([attrs.evolve(config, param_overrides=other)])
        await gateway.call_tool("b_find", {"text": "trio"})
    opened = [message for message in backend.received if isinstance(message, Request) and message.method == "initialize"]
    assert (arguments(backend), len(opened)) == ([{"q": "trio", "limit": 10, "debug": False}], 1)


HEAD = '[proxy]\nname = "p"\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'


def test_a_file_has_the_tables_of_the_reference() -> None:
    """CFG-72, CFG-73, CFG-74."""
    text = """
default_args = { tenant = "acme", flags = [1, 2.5, true, { deep = "x" }] }
inject_args = [{ tool = "find", args = { by = "${principal.subject}" }, overwrite = true }]
[[backends.param_overrides]]
tool = "find"
hide = ["debug"]
defaults = { limit = 10 }
rename = { q = "query" }
[auth]
type = "bearer"
tokens = ["0123456789abcdef0123"]
"""
    (backend,) = parse(HEAD + text).config.backends
    assert isinstance(backend, BackendConfig)
    assert backend.default_args == {"tenant": "acme", "flags": [1, 2.5, True, {"deep": "x"}]}
    assert backend.inject_args == (ArgumentsConfig("find", {"by": "${principal.subject}"}, overwrite=True),)
    assert backend.param_overrides == (ParametersConfig("find", ("debug",), {"limit": 10}, {"q": "query"}),)
    assert "acme" not in repr(backend)
