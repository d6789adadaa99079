"""Lists as servers in the field send them, and what clients see of them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import trio.testing

from sluicegate import Builder, Call, Reply
from sluicegate.gateway.opening import Gateway
from sluicegate.protocol.calls import OURSELVES
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import PROMPTS, RESOURCES, TOOLS, ListKind
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Result

BAD = {"name": "bad", "inputSchema": {"type": "string"}}
ODD = {"name": "odd", "inputSchema": None, "title": 5}
PORTABLE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def field() -> ScriptedBackend:
    return ScriptedBackend(tools=["good", BAD, ODD], prompts=[{"name": "p", "arguments": None}])


def listed(gateway: Gateway, kind: ListKind = TOOLS) -> list[dict[str, Any]]:
    return blocks(gateway.catalogue.page(kind, OURSELVES, None), kind.member)


async def call(gateway: Gateway, method: str, **params: object) -> Reply:
    return await gateway.handler(Call(method, method, {key: Raw(encode(value)) for key, value in params.items()}))


def blocks(reply: Reply, member: str = "content") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(bytes(reply.result))[member]
    return found


def warned(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    found = [record.__dict__ for record in caplog.records if record.name == "sluicegate.routing"]
    return [(record["backend"], record["item"], record["msg"]) for record in found]


# -- entries that clients could not read


async def test_one_bad_tool_costs_no_other_tool(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    builder = Builder("x").backend("b", field().connector).backend("c", ScriptedBackend(tools=["fine"]).connector)
    async with builder.open(strict=True) as gateway:
        assert listed(gateway) == [
            {"name": "b_good", "inputSchema": {"type": "object"}},
            {"name": "b_odd", "inputSchema": {"type": "object"}, "title": "5"},
            {"name": "c_fine", "inputSchema": {"type": "object"}},
        ]
        assert listed(gateway, PROMPTS) == [{"name": "b_p"}]


async def test_each_is_told_of_once_however_often_the_list_is_read(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    backend = field()
    async with Builder("x").backend("b", backend.connector).open(strict=True) as gateway:
        for _time in range(3):
            gateway.backends["b"].link.notification(TOOLS.changed, {})
            await trio.sleep(5)

    assert sorted(warned(caplog)) == [
        ("b", "bad", "inputSchema.type is not object; it is left out"),
        ("b", "odd", "inputSchema is null; title is no text; it is listed without that fault"),
        ("b", "p", "arguments is null; it is listed without that fault"),
    ]


async def test_a_mended_tool_can_be_called(autojump_clock: trio.testing.MockClock) -> None:
    async with Builder("x").backend("b", field().connector).open(strict=True) as gateway:
        assert (await gateway.call_tool("b_odd")).text == "odd {} #1"


async def test_strict_fidelity_passes_lists_as_they_came(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    async with Builder("x").backend("b", field().connector, fidelity="strict").open(strict=True) as gateway:
        assert [tool | {"name": tool["name"][2:]} for tool in listed(gateway)][1:] == [BAD, ODD]
        assert listed(gateway, PROMPTS) == [{"name": "b_p", "arguments": None}]
        assert warned(caplog) == []


# -- names that clients take


async def test_names_are_portable_and_lead_back(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    own = ["calendar.read", "calendar_read", "calendar/read", "calendar:read", "calendar read", "读取", "x" * 100, "." * 100]
    backend = ScriptedBackend(tools=own, prompts=own)
    async with Builder("x").backend("my.b", backend.connector).open(strict=True) as gateway:
        names = list(gateway.catalogue.names(TOOLS))
        assert len(set(names)) == len(own)
        assert all(PORTABLE.fullmatch(name) for name in names)
        assert names == list(gateway.catalogue.names(PROMPTS))
        for name, local in zip(names, own, strict=True):
            assert (await gateway.call_tool(name)).text.startswith(f"{local} ")
            assert f"{local} " in json.dumps((await call(gateway, "prompts/get", name=name)).value, ensure_ascii=False)
    assert ("my.b", "my.b_calendar.read", f"a name has characters that clients refuse; it is listed as {names[0]}") in warned(caplog)
    assert len(warned(caplog)) == 2 * len(own)


async def test_a_portable_name_is_the_same_whatever_else_there_is(autojump_clock: trio.testing.MockClock) -> None:
    async with Builder("x").backend("b", ScriptedBackend(tools=["calendar.read"]).connector).open(strict=True) as gateway:
        assert list(gateway.catalogue.names(TOOLS)) == ["b_calendar_read_92c94ba6"]


@pytest.mark.parametrize("settings", [{"tool_names": "keep"}, {"separator": "."}])
async def test_names_are_kept_where_that_is_asked_for(settings: dict[str, str], autojump_clock: trio.testing.MockClock) -> None:
    backend = ScriptedBackend(tools=["calendar.read"])
    async with Builder("x").proxy(**settings).backend("b", backend.connector).open(strict=True) as gateway:
        assert list(gateway.catalogue.names(TOOLS)) == [f"b{settings.get('separator', '_')}calendar.read"]


async def test_filters_and_aliases_are_about_the_backends_own_names(autojump_clock: trio.testing.MockClock) -> None:
    backend = ScriptedBackend(tools=["a.read", "a.write", "a.old"])
    aliases = [{"from": "a.old", "to": "new"}]
    async with Builder("x").backend("b", backend.connector, hide_tools=["a.w*"], aliases=aliases).open(strict=True) as gateway:
        assert [name[:8] for name in gateway.catalogue.names(TOOLS)] == ["b_a_read", "b_new"]
        assert (await gateway.call_tool("b_new")).text == "a.old {} #1"


# -- URIs that are URIs


async def test_one_uri_is_meant_by_all_that_name_it(autojump_clock: trio.testing.MockClock) -> None:
    view = "ui://weather/view.html"
    tool = {
        "name": "weather",
        "inputSchema": {},
        "_meta": {"ui": {"resourceUri": view, "visibility": ["model"]}, "ui/resourceUri": view, "x": None},
    }
    link = Result(
        encode({"content": [{"type": "resource", "resource": {"uri": view, "text": ""}}, {"type": "resource_link", "uri": view}]})
    )
    backend = ScriptedBackend(link, tools=[tool], resources=[view])
    async with Builder("x").backend("my_b", backend.connector).open(strict=True) as gateway:
        (shown,) = gateway.catalogue.names(RESOURCES)
        (entry,) = listed(gateway)
        embedded, linked = blocks(await gateway.call_tool("my_b_weather"))

        assert shown == "ui://weather/view.html#my.-b"
        assert entry["_meta"] == {"ui": {"resourceUri": shown, "visibility": ["model"]}, "ui/resourceUri": shown, "x": None}
        assert (embedded["resource"]["uri"], linked["uri"]) == (shown, shown)
        await call(gateway, "resources/read", uri=shown)
        assert bytes(backend.received[-1].params["uri"]) == encode(view)


async def test_a_uri_that_is_not_listed_leads_to_its_backend(autojump_clock: trio.testing.MockClock) -> None:
    one, two = ScriptedBackend(resources=["file:///a"]), ScriptedBackend(resources=["file:///a"])
    async with Builder("x").backend("one", one.connector).backend("two", two.connector).open(strict=True) as gateway:
        reply = await call(gateway, "resources/read", uri="two+file:///from/a%20template")

        assert blocks(reply, "contents")[0]["uri"] == "two+file:///from/a%20template"
        assert (one.calls, two.calls) == (0, 1)
