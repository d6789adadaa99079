"""Tools by which others are found and called (DISC-1 … DISC-7, CFG-31, CFG-32, FLT-6, FLT-7, V05-3, LIM-46)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import jsonschema
import pytest
import trio
import trio.testing
from tests.kit.heard import Heard
from tests.kit.personal import PersonalBackend

from sluicegate import Builder, Gateway, Outside, Reply, open_gateway
from sluicegate.protocol.calls import Call, Caller
from sluicegate.protocol.messages import Raw, Request, encode
from sluicegate.settings.composite_tools import CompositeConfig
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.network import run_inline
from sluicegate.testing.script import Answer, Delay, Note, RpcError

Clock = trio.testing.MockClock

FINDS = ["proxy_search_tools", "proxy_similar_tools", "proxy_tool_categories", "proxy_get_tool"]
ADD = {"name": "add", "description": "Adds two numbers.", "annotations": {"readOnlyHint": True}}
DROP = {"name": "drop", "description": "Drops a table.", "annotations": {"destructiveHint": True}}


@asynccontextmanager
async def opened(
    backends: dict[str, ScriptedBackend], composites: tuple[CompositeConfig, ...] = (), proxy: dict[str, Any] | None = None, **settings: Any
) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x").proxy(**({"tool_exposure": "search"} if proxy is None else proxy))
    for name, backend in backends.items():
        builder.backend(name, backend.connector, **settings)
    servers = {name: backend.connector for name, backend in backends.items()}
    config = attrs.evolve(builder.config(), composite_tools=composites)
    async with open_gateway(config, servers=servers, outside=Outside(run_blocking=run_inline)) as gateway:
        await gateway.ready()
        yield gateway


def listed(gateway: Gateway) -> list[object]:
    return [tool["name"] for tool in gateway.list_tools()]


async def asked(gateway: Gateway, tool: str, **arguments: object) -> Any:
    """The structured answer, whose text says the same, and which keeps to what was announced."""
    reply = await gateway.call_tool(f"proxy_{tool}", arguments)
    value: Any = reply.value
    assert "isError" not in value, value
    structured, told = value["structuredContent"], json.loads(value["content"][0]["text"])
    assert told == structured.get("tools", structured)
    entry: Any = next(one for one in gateway.list_tools() if one["name"] == f"proxy_{tool}")
    jsonschema.validate(structured, entry["outputSchema"])
    return structured


async def names(gateway: Gateway, query: str, **arguments: object) -> list[object]:
    return [tool["name"] for tool in (await asked(gateway, "search_tools", query=query, **arguments))["tools"]]


async def test_they_stand_behind_all_others_where_only_discovery_is_asked_for(autojump_clock: Clock) -> None:
    """CFG-31: who sees every tool needs none to call them."""
    async with opened({"math": ScriptedBackend(tools=[ADD])}, proxy={"tool_discovery": True}) as gateway:
        assert listed(gateway) == ["math_add", *FINDS]
        assert await names(gateway, "add numbers") == ["math_add"]
        assert (await gateway.call_tool("proxy_call_tool", {"name": "math_add"})).fault is not None


async def test_in_place_of_all_tools_the_list_has_those_that_find_them_and_what_is_pinned(autojump_clock: Clock) -> None:
    """CFG-32, FLT-6: any other can be called by its name all the same."""
    backends = {"math": ScriptedBackend(Answer("3"), tools=[ADD, DROP], prompts=["p"])}
    async with opened(backends, proxy={"tool_exposure": "search", "pinned_tools": ["*_drop"]}) as gateway:
        assert listed(gateway) == ["math_drop", *FINDS, "proxy_call_tool"]
        assert (await gateway.call_tool("math_add")).value["content"] == [{"type": "text", "text": "3"}]
        assert [prompt["name"] for prompt in gateway.list_prompts()] == ["math_p"]


async def test_without_any_of_it_nothing_is_there(autojump_clock: Clock) -> None:
    async with opened({"math": ScriptedBackend(tools=[ADD])}, proxy={}) as gateway:
        assert listed(gateway) == ["math_add"]
        fault = (await gateway.call_tool("proxy_search_tools", {"query": "add"})).fault
        assert fault is not None
        assert fault.message == "Unknown tool: proxy_search_tools"


async def test_their_names_have_the_separator_of_all_others(autojump_clock: Clock) -> None:
    async with opened({"m": ScriptedBackend(tools=[ADD])}, proxy={"tool_exposure": "search", "separator": "/"}) as gateway:
        assert "proxy/search_tools" in listed(gateway)
        reply = await gateway.call_tool("proxy/call_tool", {"name": "m/add"})
        assert reply.fault is None


async def test_what_was_found_says_how_it_is_called(autojump_clock: Clock) -> None:
    """DISC-2, DISC-3."""
    properties = {"a": {"type": "number", "description": "The first."}, "b": {"type": "number"}}
    tool = ADD | {"inputSchema": {"type": "object", "properties": properties, "required": ["a"]}}
    async with opened({"math": ScriptedBackend(tools=[tool, DROP])}) as gateway:
        (found,) = (await asked(gateway, "search_tools", query="add numbers"))["tools"]
    assert found.pop("score") > 0
    assert found == {
        "id": "math:add",
        "server": "math",
        "name": "math_add",
        "category": "math",
        "description": "Adds two numbers.",
        "tags": ["read-only"],
        "parameters": [
            {"name": "a", "required": True, "type": "number", "description": "The first."},
            {"name": "b", "required": False, "type": "number"},
        ],
    }


async def test_ten_are_found_and_five_that_are_like_one_unless_more_are_wanted(autojump_clock: Clock) -> None:
    tools = [ADD | {"name": f"add_{number}"} for number in range(20)]
    async with opened({"math": ScriptedBackend(tools=tools)}) as gateway:
        assert len(await names(gateway, "add numbers")) == 10
        assert len(await names(gateway, "add numbers", top_k=15)) == 15
        assert len((await asked(gateway, "similar_tools", tool_id="math:add_1"))["tools"]) == 5


async def test_a_tool_is_found_under_its_alias(autojump_clock: Clock) -> None:
    async with opened({"math": ScriptedBackend(tools=[ADD])}, aliases=[{"from": "add", "to": "plus"}]) as gateway:
        assert await names(gateway, "plus") == await names(gateway, "adds two numbers") == ["math_plus"]


async def test_all_of_a_tool_is_told_by_its_id_or_by_its_name(autojump_clock: Clock) -> None:
    """V05-3, DISC-7."""
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"const": 1}}}}}
    async with opened({"math": ScriptedBackend(tools=[ADD | {"inputSchema": schema}])}) as gateway:
        by_id, by_name = [await asked(gateway, "get_tool", tool_id=tool_id) for tool_id in ("math:add", "math_add")]
        unknown = await gateway.call_tool("proxy_get_tool", {"tool_id": "math:sub"})
        assert (await asked(gateway, "similar_tools", tool_id="math:sub"))["tools"] == []
    annotations = {"readOnlyHint": True}
    assert by_id == by_name
    assert by_id == {"name": "math_add", "description": "Adds two numbers.", "input_schema": schema, "annotations": annotations}
    assert unknown.value["isError"]


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("search_tools", {}, "Error: 'query' must be there, and a text"),
        ("search_tools", {"query": 3}, "Error: 'query' must be there, and a text"),
        ("search_tools", {"query": "a", "top_k": 0}, "Error: 'top_k' must be a whole number from 1 to 50"),
        ("search_tools", {"query": "a", "top_k": True}, "Error: 'top_k' must be a whole number from 1 to 50"),
        ("similar_tools", {}, "Error: 'tool_id' must be there, and a text"),
        ("get_tool", {"tool_id": None}, "Error: 'tool_id' must be there, and a text"),
        ("call_tool", {"arguments": {}}, "Error: 'name' must be there, and a text"),
        ("call_tool", {"name": "math_add", "arguments": [1]}, "Error: 'arguments' must be an object: what the tool is called with"),
    ],
)
async def test_a_mistake_is_told_where_a_model_reads_it(tool: str, arguments: dict[str, object], words: str, autojump_clock: Clock) -> None:
    async with opened({"math": ScriptedBackend(tools=[ADD])}) as gateway:
        reply = await gateway.call_tool(f"proxy_{tool}", arguments)
        assert reply.value == {"content": [{"type": "text", "text": words}], "isError": True}


async def test_what_is_hidden_is_neither_found_nor_called(autojump_clock: Clock) -> None:
    """FLT-7."""
    backends = {"math": ScriptedBackend(Answer("3"), tools=[ADD, DROP, "secret_add"])}
    async with opened(backends, hide_destructive=True, hide_tools=("secret*",)) as gateway:
        assert await names(gateway, "add drop secret table") == ["math_add"]
        for hidden in ("math_drop", "math_secret_add", "math:drop"):
            assert (await gateway.call_tool("proxy_call_tool", {"name": hidden})).fault is not None
            assert (await gateway.call_tool("proxy_get_tool", {"tool_id": hidden})).value["isError"]
    assert backends["math"].calls == 0


def arguments(backend: ScriptedBackend) -> list[Any]:
    calls = [message for message in backend.received if isinstance(message, Request) and message.method == "tools/call"]
    return [json.loads(bytes(call.params["arguments"])) for call in calls]


async def test_a_call_of_a_found_tool_is_a_call_of_that_tool(autojump_clock: Clock) -> None:
    """DISC-6: for the log, too, and whether it succeeds or not; a tool's error is no success with a text that speaks of it."""
    lines: list[dict[str, object]] = []

    async def write(batch: bytes) -> None:
        lines.extend(json.loads(line) for line in batch.splitlines())

    backend = ScriptedBackend(Answer("3"), RpcError(-32602, "no such number"), tools=[ADD])
    builder = Builder("x").proxy(tool_exposure="search").backend("math", backend.connector, timeout={"seconds": 3})
    outside, servers = Outside(run_blocking=run_inline), {"math": backend.connector}
    async with open_gateway(builder.config(), servers=servers, outside=outside, access_log=write) as gateway:
        await gateway.ready()
        good = await gateway.call_tool("proxy_call_tool", {"name": "math_add", "arguments": {"a": 1}})
        bad = await gateway.call_tool("proxy_call_tool", {"name": "math:add"})
        await gateway.call_tool("proxy_call_tool", {"name": "proxy_call_tool", "arguments": {"name": "math_add"}})
    assert (good.value["content"], arguments(backend)) == ([{"type": "text", "text": "3"}], [{"a": 1}, {}])
    assert bad.fault is not None
    assert (bad.fault.code, bad.fault.message) == (-32602, "no such number")
    assert [(line["target"], line.get("backend")) for line in lines] == [
        ("math_add", "math"),
        ("math_add", "math"),
        ("proxy_call_tool", None),
    ]


async def test_progress_of_a_found_tool_comes_under_its_callers_token(autojump_clock: Clock) -> None:
    heard = Heard()
    async with opened({"math": ScriptedBackend(Note(1, Answer("3")), tools=[ADD])}) as gateway:
        call = Call.tool("proxy_call_tool", {"name": "math_add"})
        await gateway.handler(
            Call("tools/call", "proxy_call_tool", call.params | {"_meta": Raw(encode({"progressToken": "t"}))}, back=heard)
        )
    assert {note["params"].get("progressToken") for note in heard.messages} == {"t"}


async def test_a_call_of_a_found_tool_has_the_time_of_its_backend(autojump_clock: Clock) -> None:
    async with opened({"math": ScriptedBackend(Delay(60, Answer("3")), tools=[ADD])}, timeout={"seconds": 2}) as gateway:
        reply = await gateway.call_tool("proxy_call_tool", {"name": "math_add"})
        assert reply.outcome("tools/call") == "timeout"


async def test_composite_tools_are_found_and_called_as_all_others(autojump_clock: Clock) -> None:
    both = CompositeConfig("both", "Adds it up twice.", ("math_add",))
    async with opened({"math": ScriptedBackend(Answer("3"), tools=[ADD])}, (both,)) as gateway:
        assert "both" not in listed(gateway)
        assert await names(gateway, "twice") == ["both"]
        assert (await gateway.call_tool("proxy_call_tool", {"name": "both"})).value["content"] == [{"type": "text", "text": "3"}]


async def test_the_index_follows_the_lists(autojump_clock: Clock) -> None:
    """LIM-46, DISC-1: what is new is found at once, and what is gone is not, neither by searching nor by calling."""
    backend = ScriptedBackend(Answer("3"), tools=[ADD])
    async with opened({"math": backend}) as gateway:
        assert await names(gateway, "table") == []
        backend.lists["tools"] = [DROP | {"inputSchema": {"type": "object"}}]
        backend.notify("notifications/tools/list_changed")
        await trio.sleep(1)
        assert await names(gateway, "table") == ["math_drop"]
        assert await names(gateway, "numbers") == []
        await gateway.remove_backend("math")
        assert await names(gateway, "table") == []
        for name in ("math_drop", "math_add"):
            assert (await gateway.call_tool("proxy_call_tool", {"name": name})).fault is not None
    assert backend.calls == 0


async def test_each_client_finds_what_is_offered_to_it(autojump_clock: Clock) -> None:
    backend = PersonalBackend(tools=[ADD], more={"sampling": ["summarize"]})
    async with opened({"b": backend}, sessions="per_client") as gateway:
        assert await names(gateway, "summarize") == []
        call = Call.tool("proxy_search_tools", {"query": "summarize"})
        able = Caller("2025-11-25", {"sampling": Raw(b"{}")}, home=gateway._endpoint.home())
        reply: Any = await gateway.handler(Call("tools/call", "proxy_search_tools", call.params, able))
        assert [tool["name"] for tool in reply.value["structuredContent"]["tools"]] == ["b_summarize"]
        assert await names(gateway, "summarize") == []


async def test_wherever_a_search_is_cancelled_the_next_one_is_answered(autojump_clock: Clock) -> None:
    async with opened({"math": ScriptedBackend(tools=[ADD])}) as gateway:

        async def search() -> Reply:
            return await gateway.call_tool("proxy_search_tools", {"query": "add"})

        async def another_is_answered(_trial: Trial[Reply]) -> None:
            assert await names(gateway, "add") == ["math_add"]

        assert await cancel_at_every_checkpoint(search, another_is_answered) > 2
