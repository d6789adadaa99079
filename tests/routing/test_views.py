"""Views of several backends (MCP Apps): their URIs lead back, and so does what they call by names that know no prefix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sluicegate.protocol.calls import OURSELVES, Call, Reply
from sluicegate.protocol.eras import MODERN, NEWEST
from sluicegate.protocol.extensions import APPS, TASKS
from sluicegate.protocol.messages import Raw, decode_object, encode
from sluicegate.protocol.offers import KINDS, RESOURCES, TOOLS, Hello, Item, ListKind, Offer
from sluicegate.routing.catalogue import Catalogue, Entry, build
from sluicegate.routing.directory import Directory
from sluicegate.routing.table import Router
from sluicegate.routing.visibility import Filter, Visibility

VIEW = "ui://clock/view.html"
UI: dict[str, Any] = {"ui": {"resourceUri": VIEW}, "ui/resourceUri": VIEW}
"""As the helper of @modelcontextprotocol/ext-apps writes it: in the new place, and in the old one beside it."""
CSP: dict[str, Any] = {"ui": {"csp": {"connectDomains": ["https://api.example"]}, "permissions": {"camera": {}}, "domain": "a.example"}}
CLOCK: dict[str, list[dict[str, Any]]] = {
    "tools": [
        {"name": "time", "_meta": UI},
        {"name": "set", "_meta": {"ui": {"visibility": ["app"]}}},
        {"name": "think", "_meta": {"ui": {"visibility": ["model"]}}},
        {"name": "plain"},
    ],
    "resources": [{"uri": VIEW, "name": VIEW, "_meta": CSP}, {"uri": "clock://now", "name": "now"}],
    "resourceTemplates": [{"uriTemplate": "clock://{zone}/now", "name": "zone"}],
}


def offer(lists: dict[str, list[dict[str, Any]]], more: Mapping[str, object] | None = None, version: str = NEWEST) -> Offer:
    def item(kind: ListKind, members: dict[str, Any]) -> Item:
        raw = decode_object(encode(members))
        assert isinstance(raw, dict)
        return Item(members[kind.key], raw)

    found = {kind: tuple(item(kind, members) for members in lists.get(kind.member, ())) for kind in KINDS}
    declared: dict[str, object] = {"tools": {}, "resources": {}, **(more or {})}
    return Offer(Hello(version, {name: Raw(encode(value)) for name, value in declared.items()}, {}), found)


def entry(name: str, offered: Offer, heard: list[Any] | None = None, namespace: str | None = None, **more: Any) -> Entry:
    async def handle(call: Call) -> Reply:
        if heard is not None:
            heard.append((name, json.loads(encode(call.params))))
        return Reply(Raw(b'{"content":[]}'))

    return Entry(name, name if namespace is None else namespace, handle, more.pop("visibility", Visibility()), offered, **more)


def listed(catalogue: Catalogue, kind: ListKind) -> list[Any]:
    found: list[Any] = json.loads(bytes(catalogue.page(kind, OURSELVES, None).result))[kind.member]
    return found


def test_a_tool_names_its_view_as_the_list_of_resources_does_and_two_backends_do_not_collide() -> None:
    catalogue = build([entry("a", offer(CLOCK)), entry("b", offer(CLOCK))], separator="_")
    views = [resource["uri"] for resource in listed(catalogue, RESOURCES) if resource["uri"].startswith("ui:")]
    tools = {tool["name"]: tool.get("_meta") for tool in listed(catalogue, TOOLS)}
    assert views == [f"{VIEW}#a", f"{VIEW}#b"]
    assert tools["a_time"] == {"ui": {"resourceUri": views[0]}, "ui/resourceUri": views[0]}
    assert tools["b_time"] == {"ui": {"resourceUri": views[1]}, "ui/resourceUri": views[1]}


def test_what_a_view_may_load_and_who_may_see_a_tool_passes_as_it_came() -> None:
    catalogue = build([entry("a", offer(CLOCK))], separator="_")
    assert [resource["_meta"] for resource in listed(catalogue, RESOURCES) if "_meta" in resource] == [CSP]
    metas = {tool["name"]: tool.get("_meta") for tool in listed(catalogue, TOOLS)}
    assert metas["a_set"] == {"ui": {"visibility": ["app"]}}
    assert metas["a_plain"] is None


async def led(name: str, *entries: Entry, method: str = "tools/call", key: str = "name") -> Reply:
    return await Router(Directory(build(entries, separator="_")))(Call(method, name, {key: Raw(encode(name))}))


@pytest.mark.parametrize("name", ["time", "set", "plain", "a_time"])
async def test_a_view_calls_what_its_backend_has_by_its_own_name(name: str) -> None:
    heard: list[Any] = []
    other = entry("b", offer({"tools": [{"name": "time"}, {"name": "set"}]}), heard)
    assert (await led(name, other, entry("a", offer(CLOCK), heard))).fault is None
    assert heard == [("a", {"name": name.removeprefix("a_")})]


@pytest.mark.parametrize("name", ["think", "none"])
async def test_what_is_for_the_model_alone_is_none_of_a_views_tools(name: str) -> None:
    fault = (await led(name, entry("a", offer(CLOCK)))).fault
    assert fault is not None
    assert (fault.code, fault.message) == (-32602, f"Unknown tool: {name}")


async def test_a_name_that_views_of_two_backends_may_mean_is_refused_with_both() -> None:
    fault = (await led("time", entry("a", offer(CLOCK)), entry("b", offer(CLOCK)))).fault
    assert fault is not None
    assert (fault.code, fault.message) == (-32602, "views of several backends have a tool 'time' (a, b); name it as the list does")


@pytest.mark.parametrize(("uri", "there"), [(VIEW, True), ("clock://now", True), ("clock://utc/now", True), ("other://x", False)])
async def test_a_view_reads_what_its_backend_has_by_its_own_uri(uri: str, there: bool) -> None:
    heard: list[Any] = []
    reply = await led(uri, entry("a", offer(CLOCK), heard), method="resources/read", key="uri")
    assert (reply.fault is None) == there
    assert heard == ([("a", {"uri": uri})] if there else [])


async def test_the_backend_without_a_prefix_gets_what_no_view_means() -> None:
    heard: list[Any] = []
    entries = entry("bare", offer({"tools": [{"name": "time"}]}), heard, namespace=""), entry("a", offer(CLOCK), heard)
    for name in ("time", "set", "new"):
        await led(name, *entries)
    assert [(who, params["name"]) for who, params in heard] == [("bare", "time"), ("a", "set"), ("bare", "new")]


async def test_a_view_gets_no_further_than_the_filters() -> None:
    hidden = Visibility(tools=Filter.parse(hide=["set"]), resources=Filter.parse(hide=["clock://*"]))
    shown = entry("a", offer(CLOCK), visibility=hidden)
    assert (await led("set", shown)).fault is not None
    assert (await led("clock://now", shown, method="resources/read", key="uri")).fault is not None
    assert (await led("time", shown)).fault is None


# -- capabilities


def told(catalogue: Catalogue, era: str) -> Any:
    whole = json.loads(catalogue.capabilities(era))
    return {name: whole[name] for name in ("extensions", "experimental") if name in whole}


def test_clients_are_told_of_the_extensions_that_cross_between_them_and_some_backend() -> None:
    declared = {"extensions": {APPS: {}, TASKS: {}, "io.modelcontextprotocol/skills": {}}, "experimental": {"x": {"y": 1}}}
    whole: dict[str, object] = {APPS: {}, TASKS: {}}
    for version, new in ((NEWEST, {APPS: {}}), (MODERN[-1], whole)):
        catalogue = build([entry("plain", offer({})), entry("a", offer({}, declared, version))], separator="_")
        assert told(catalogue, NEWEST) == {"extensions": {APPS: {}}, "experimental": {"x": {"y": 1}}}
        assert told(catalogue, MODERN[-1]) == {"extensions": new, "experimental": {"x": {"y": 1}}}


def test_where_backends_do_not_agree_the_operator_is_told() -> None:
    entries = [entry(name, offer({}, {"extensions": {"com.example/x": {"a": name}, "com.example/y": {}}})) for name in "ab"]
    catalogue = build(entries, separator="_")
    assert told(catalogue, NEWEST) == {"extensions": {"com.example/y": {}}}
    assert {(remark.name, remark.backend) for remark in catalogue.remarks} == {("com.example/x", "a"), ("com.example/x", "b")}


def test_what_nobody_has_is_not_there_at_all() -> None:
    assert told(build([entry("a", offer({}, {"extensions": {}, "experimental": {}}))], separator="_"), NEWEST) == {}


VENDOR: dict[str, object] = {"extensions": {"com.example/x": {}}}


@pytest.mark.parametrize(
    ("others", "method", "led_to"),
    [
        (({},), "x/do", ["a"]),
        (({},), "tasks/none", []),
        (({},), "skills/list", []),
        (({},), "do", []),
        (({"experimental": {"z": {}}},), "x/do", []),
        (({"extensions": {APPS: {}}},), "x/do", ["a"]),
    ],
)
async def test_a_method_of_a_vendor_goes_to_the_one_backend_that_may_have_it(
    others: tuple[dict[str, object], ...], method: str, led_to: list[str]
) -> None:
    heard: list[Any] = []
    entries = [entry("a", offer({}, VENDOR), heard), *(entry(f"b{n}", offer({}, more), heard) for n, more in enumerate(others))]
    reply = await Router(Directory(build(entries, separator="_")))(Call(method, method, {"k": Raw(b"1.50")}))
    assert [who for who, _ in heard] == led_to
    assert led_to or (reply.fault is not None and reply.fault.code == -32601)
