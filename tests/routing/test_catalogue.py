"""Merging what backends offer."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import pytest

from sluicegate.protocol.calls import OURSELVES, Call, Reply
from sluicegate.protocol.eras import NEWEST
from sluicegate.protocol.messages import EMPTY, Raw, decode_object, encode
from sluicegate.protocol.offers import KINDS, PROMPTS, RESOURCES, TEMPLATES, TOOLS, Hello, Item, ListKind, Offer
from sluicegate.routing.catalogue import Catalogue, Entry, build
from sluicegate.routing.directory import Directory
from sluicegate.routing.visibility import Filter, Visibility


async def unused(call: Call) -> Reply:
    raise AssertionError(call)


def offer(*capabilities: str, instructions: str = "", **lists: Iterable[str | Mapping[str, Any]]) -> Offer:
    """An offer; the lists are named as in results, an item that is a string has only its key."""

    def item(kind: ListKind, given: str | Mapping[str, Any]) -> Item:
        members = decode_object(encode({kind.key: given} if isinstance(given, str) else given))
        assert isinstance(members, dict)
        return Item(json.loads(bytes(members[kind.key])), members)

    items = {kind: tuple(item(kind, given) for given in lists.get(kind.member, ())) for kind in KINDS}
    declared = {*capabilities, *(kind.capability for kind in KINDS if kind.member in lists)}
    return Offer(Hello("2025-11-25", dict.fromkeys(declared, EMPTY), {}, instructions), items)


def entry_of(name: str, offered: Offer | None = None, **more: Any) -> Entry:
    return Entry(name, more.pop("namespace", name), unused, more.pop("visibility", Visibility()), offered, **more)


def merged(*entries: Entry, separator: str = "_", **settings: Any) -> Catalogue:
    return build(entries, separator=separator, **settings)


def listed(catalogue: Catalogue, kind: ListKind, cursor: str | None = None) -> Any:
    return json.loads(bytes(catalogue.page(kind, OURSELVES, cursor).result))


def names(catalogue: Catalogue, kind: ListKind = TOOLS) -> list[str]:
    return [entry[kind.key] for entry in listed(catalogue, kind)[kind.member]]


def test_lists_come_in_the_order_of_the_configuration_then_in_the_backends_own() -> None:
    catalogue = merged(entry_of("text", offer(tools=["upper", "lower"])), entry_of("math", offer(tools=["sub", "add"])))

    assert names(catalogue) == ["text_upper", "text_lower", "math_sub", "math_add"]
    assert names(catalogue) == list(catalogue.names(TOOLS))


def test_the_separator_stands_between_namespace_and_name() -> None:
    assert names(merged(entry_of("math", offer(tools=["add"])), separator=".")) == ["math.add"]


def test_the_namespace_is_the_configured_one_not_the_backends_name() -> None:
    assert names(merged(entry_of("math", offer(tools=["add"]), namespace="m"))) == ["m_add"]


def test_an_empty_namespace_passes_names_through() -> None:
    assert names(merged(entry_of("math", offer(tools=["add"]), namespace=""), entry_of("text", offer(tools=["upper"])))) == [
        "add",
        "text_upper",
    ]


def test_every_other_member_of_a_tool_passes_untouched() -> None:
    raw = b'{"name":"add","inputSchema":{"$defs":{"x-y":1.50}},"title":null,"_meta":{"a":[ 1 ]},"big":123456789012345678901234567890}'
    members = decode_object(raw)
    assert isinstance(members, dict)
    item = attrs.evolve(offer(tools=[]), lists=dict.fromkeys(KINDS, ()) | {TOOLS: (Item("add", members),)})

    page = merged(entry_of("math", item)).page(TOOLS, OURSELVES, None)

    assert b'{"tools":[' + raw.replace(b'"add"', b'"math_add"') + b"]}" == bytes(page.result)


def test_resources_are_prefixed_in_uri_and_name() -> None:
    catalogue = merged(entry_of("files", offer(resources=[{"uri": "file:///x", "name": "x", "mimeType": "a/b"}, "file:///y"])))

    assert listed(catalogue, RESOURCES) == {
        "resources": [{"uri": "files+file:///x", "name": "files_x", "mimeType": "a/b"}, {"uri": "files+file:///y"}]
    }


def test_templates_are_prefixed_in_template_and_name() -> None:
    catalogue = merged(entry_of("files", offer(resourceTemplates=[{"uriTemplate": "file:///{p}", "name": "p"}])))

    assert listed(catalogue, TEMPLATES) == {"resourceTemplates": [{"uriTemplate": "files+file:///{p}", "name": "files_p"}]}


def test_prompts_are_prefixed() -> None:
    assert listed(merged(entry_of("text", offer(prompts=[{"name": "greet", "arguments": []}]))), PROMPTS) == {
        "prompts": [{"name": "text_greet", "arguments": []}]
    }


def test_hidden_items_are_in_no_list() -> None:
    visibility = Visibility(Filter.parse(hide=["s*"]), aliases={"add": "plus"})

    assert names(merged(entry_of("math", offer(tools=["add", "sub"]), visibility=visibility))) == ["math_plus"]


def test_a_hidden_backend_is_in_no_list() -> None:
    assert names(merged(entry_of("a", offer(tools=["x"])), entry_of("b", offer(tools=["x"]), visibility=Visibility(hidden=True)))) == [
        "a_x"
    ]


def test_a_stand_in_lends_its_lists_while_the_primary_has_none() -> None:
    """LIM-19."""
    hidden = Visibility(hidden=True)
    shapes = Visibility(Filter.parse(hide=["secret"]))
    stand_ins = (
        entry_of("dead", None, visibility=hidden),
        entry_of("second", offer(tools=["now", "secret"]), visibility=hidden),
        entry_of("third", offer(tools=["other"]), visibility=hidden),
    )

    without = merged(entry_of("time", None, stand_ins=("gone", "dead", "second", "third"), visibility=shapes), *stand_ins)
    with_own = merged(entry_of("time", offer(tools=["own"]), stand_ins=("second",)), *stand_ins)

    assert names(without) == ["time_now"]
    assert names(with_own) == ["time_own"]


def test_of_two_equal_names_the_first_stays() -> None:
    catalogue = merged(entry_of("math", offer(tools=["add", "add"])), entry_of("any", offer(tools=["math_add", "sub"]), namespace=""))

    assert names(catalogue) == ["math_add", "sub"]
    assert {("math_add", "math"), ("math_add", "any")} == {(remark.name, remark.backend) for remark in catalogue.remarks}


def test_long_tool_names_are_shortened_and_nothing_else() -> None:
    long = "x" * 80
    catalogue = merged(entry_of("b", offer(tools=[long], prompts=[long])))

    assert [len(name) for name in names(catalogue)] == [64]
    assert ["b_" + long] == names(catalogue, PROMPTS)
    assert ["b_" + long] == names(merged(entry_of("b", offer(tools=[long])), max_tool_name=0))


def test_without_a_page_size_a_list_is_one_page_and_no_cursor_is_valid() -> None:
    catalogue = merged(entry_of("b", offer(tools=["x"] * 3 + ["y"])))

    assert "nextCursor" not in listed(catalogue, TOOLS)
    for cursor in ("", "x"):
        fault = catalogue.page(TOOLS, OURSELVES, cursor).fault
        assert fault is not None
        assert fault.code == -32602


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (2, [2]), (3, [2, 1]), (5, [2, 2, 1])])
def test_pages_hold_every_item_once(count: int, sizes: list[int]) -> None:
    catalogue = merged(entry_of("b", offer(tools=[f"t{number}" for number in range(count)])), page_size=2)
    pages = [listed(catalogue, TOOLS)]
    while "nextCursor" in pages[-1]:
        pages.append(listed(catalogue, TOOLS, pages[-1]["nextCursor"]))

    assert sizes == [len(page["tools"]) for page in pages]
    assert list(catalogue.names(TOOLS)) == [tool["name"] for page in pages for tool in page["tools"]]


def test_replicas_with_equal_lists_take_each_others_cursors() -> None:
    one, two = (merged(entry_of("b", offer(tools=["x", "y"])), page_size=1) for _replica in range(2))

    assert listed(two, TOOLS, listed(one, TOOLS)["nextCursor"])["tools"][0]["name"] == "b_y"


def test_only_what_is_offered_is_declared() -> None:
    catalogue = merged(entry_of("a", offer("logging", resources=["a:1"])), entry_of("b", offer("completions", prompts=[])))

    assert json.loads(catalogue.capabilities(NEWEST)) == {
        "resources": {"listChanged": True},
        "prompts": {"listChanged": True},
        "completions": {},
        "logging": {},
    }
    assert catalogue.page(TOOLS, OURSELVES, None).fault is not None
    assert listed(catalogue, PROMPTS) == {"prompts": []}


@pytest.mark.parametrize("entries", [(), (entry_of("a"),), (entry_of("a", offer(prompts=[])), entry_of("b", starting=True))])
def test_tools_are_declared_while_more_may_come(entries: tuple[Entry, ...]) -> None:
    catalogue = merged(*entries)

    assert "tools" in json.loads(catalogue.capabilities(NEWEST))
    assert listed(catalogue, TOOLS) == {"tools": []}


def test_a_kind_that_nobody_has_is_an_unknown_method() -> None:
    fault = merged(entry_of("a", offer(tools=[]))).page(PROMPTS, OURSELVES, None).fault

    assert fault is not None
    assert fault.code == -32601
    assert "not supported" in fault.message


def test_instructions_gather_what_the_backends_say() -> None:
    catalogue = merged(
        entry_of("a", offer(instructions="Use a.")),
        entry_of("b", offer()),
        entry_of("c", offer(instructions="Use c."), namespace=""),
        entry_of("d", offer(instructions="Never seen."), visibility=Visibility(hidden=True)),
        entry_of("e"),
    )

    assert catalogue.instructions == "MCP proxy aggregating 4 backend servers.\n\n[a] Use a.\n\n[c] Use c."


def test_instructions_of_the_operator_win() -> None:
    assert merged(entry_of("a", offer(instructions="Use a.")), instructions="Mine.").instructions == "Mine."


def test_without_any_the_instructions_are_one_sentence() -> None:
    assert merged(entry_of("a", offer(tools=[]))).instructions == "MCP proxy aggregating 1 backend servers."


def test_listeners_hear_of_the_lists_that_changed_until_they_go() -> None:
    directory, heard = Directory(), list[frozenset[str]]()
    leave = directory.subscribe(lambda change: heard.append(change.methods))

    assert {TOOLS} == directory.replace(merged(entry_of("a", offer(tools=["x"], prompts=[]))))
    assert set() == directory.replace(merged(entry_of("a", offer(tools=["x"], prompts=[]))))
    assert {PROMPTS, TEMPLATES, TOOLS} == directory.replace(merged(entry_of("a", offer(prompts=["p"], resourceTemplates=["t:{x}"]))))
    leave()
    leave()
    directory.replace(merged())

    changed = "notifications/{}/list_changed".format
    assert [{changed("tools")}, {changed("tools"), changed("prompts"), changed("resources")}] == heard


def test_a_change_on_a_later_page_is_a_change() -> None:
    directory = Directory(merged(entry_of("a", offer(tools=["x", "y"])), page_size=1))

    assert {TOOLS} == directory.replace(merged(entry_of("a", offer(tools=["x", "z"])), page_size=1))


def test_what_was_declared_once_stays_declared() -> None:
    """A client that was told of prompts gets an empty list when they are gone, not an error."""
    directory = Directory(merged(entry_of("a", offer(prompts=["p"]))))

    directory.replace(merged(entry_of("b", offer(tools=["t"]))))

    assert listed(directory.current, PROMPTS) == {"prompts": []}
    assert {"tools", "prompts"} == json.loads(directory.current.capabilities(NEWEST)).keys()


def test_remarks_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    directory = Directory()

    with caplog.at_level(logging.WARNING, "sluicegate.routing"):
        for _time in range(2):
            directory.replace(merged(entry_of("a", offer(tools=["x", "x"]))))

    assert [getattr(record, "backend", None) for record in caplog.records] == ["a"]


def test_a_page_is_encoded_once() -> None:
    catalogue = merged(entry_of("a", offer(tools=["x"])))

    assert catalogue.page(TOOLS, OURSELVES, None) is catalogue.page(TOOLS, OURSELVES, None)
    assert isinstance(catalogue.page(TOOLS, OURSELVES, None).result, Raw)


def test_what_has_too_long_a_name_is_left_out_and_told_of() -> None:
    uri = "file:///" + "x" * 8192
    catalogue = merged(
        entry_of(
            "b", offer(tools=["é" * 600, "t"], prompts=["p" * 1023, "q"], resources=[uri, "file:///r"], resourceTemplates=[uri + "{x}"])
        ),
        max_tool_name=0,
    )

    assert [list(catalogue.names(kind)) for kind in KINDS] == [["b_t"], ["b+file:///r"], [], ["b_q"]]
    assert {remark.kind for remark in catalogue.remarks} == {"tool", "prompt", "resource", "resource template"}
    assert all("bytes is left out" in remark.what and len(remark.name) <= 100 for remark in catalogue.remarks)


@pytest.mark.parametrize(
    ("tool", "limit", "why"),
    [
        ("é" + "x" * 21, 24, "has characters that clients refuse"),
        ("é" + "x" * 22, 24, "is too long"),
        ("x" * 22, 24, None),
        ("x" * 23, 24, "is too long"),
        ("é" + "x" * 100, 0, "has characters that clients refuse"),
        ("x" * 100, 0, None),
    ],
)
def test_why_a_name_is_listed_as_another_one_is_said(tool: str, limit: int, why: str | None) -> None:
    """Two characters are those of the namespace."""
    catalogue = merged(entry_of("b", offer(tools=[tool])), max_tool_name=limit, portable=True)

    (name,) = names(catalogue)
    assert {remark.what for remark in catalogue.remarks} == ({f"a name {why}; it is listed as {name}"} if why else set())
    assert (name == f"b_{tool}") is (why is None)
    assert name.isascii()
    assert not limit or len(name) <= limit


def test_a_prompt_may_be_as_long_as_it_likes_where_names_need_not_be_portable() -> None:
    catalogue = merged(entry_of("b", offer(prompts=["p" * 100], tools=["t" * 100])), max_tool_name=24)

    assert names(catalogue, PROMPTS) == ["b_" + "p" * 100]
    assert len(names(catalogue)[0]) == 24
