"""The index of the words of all tools (DISC-2 … DISC-5, DISC-8)."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pytest

from sluicegate.routing.search.findable import Findable, FindableTools
from sluicegate.routing.search.search_words import MOST_ROWS, indexed, query_for
from sluicegate.routing.search.tool_card import card_of
from sluicegate.routing.search.tool_index import Abandoned, ToolIndex


def tool(local: str, description: str = "", server: str = "b", **members: object) -> Findable:
    name = f"{server}_{local}"
    return Findable(name, server, local, msgspec.json.encode({"name": name, "description": description} | members))


@contextmanager
def index_of(tools: Sequence[Findable]) -> Iterator[ToolIndex]:
    index = ToolIndex.of(tools, lambda: False)
    try:
        yield index
    finally:
        index.close()


def found(tools: Sequence[Findable], text: str, limit: int = 10) -> list[object]:
    with index_of(tools) as index:
        return [one["name"] for one in index.search(text, {one.name: one for one in tools}, limit)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("get_current-time.now", ["get", "current", "time", "now"]),
        ("readFile", ["read", "file", "readfile"]),
        ("HTTPServer2Go", ["http", "server2", "go", "httpserver2go"]),
        ("Grüße, naïve!", ["grüße", "naïve"]),
        ("搜索文件fast", ["搜", "索", "文", "件", "fast"]),
        ('\0"*():^-+', []),
    ],
)
def test_a_name_is_split_where_people_see_words(text: str, words: list[str]) -> None:
    assert indexed(text, is_name=True) == words


TOOLS = (
    tool("add", "Adds two numbers.", "math", annotations={"readOnlyHint": True}),
    tool("subtract", "Takes one number from another.", "math", annotations={"readOnlyHint": True}),
    tool("deleteNamespace", "Removes it and all within.", "kube", annotations={"destructiveHint": True}),
    tool("wait", "Sleeps.", inputSchema={"type": "object", "properties": {"seconds": {"type": "number"}}}),
    tool("搜索文件", "在目录中搜索文件"),
)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("add numbers", "math_add"),
        ("removing", "kube_deleteNamespace"),
        ("destructive", "kube_deleteNamespace"),
        ("namespace", "kube_deleteNamespace"),
        ("delete-namespace", "kube_deleteNamespace"),
        ("deletenamespace", "kube_deleteNamespace"),
        ("seconds", "b_wait"),
        ("kube", "kube_deleteNamespace"),
        ("搜索", "b_搜索文件"),
        ("目录文件", "b_搜索文件"),
        ("read-only math subtract", "math_subtract"),
    ],
)
def test_what_was_meant_comes_first(text: str, first: str) -> None:
    assert found(TOOLS, text)[:1] == [first]


@pytest.mark.parametrize(
    "text", ["", " ", "\0", '"', '""', "NOT", "AND OR NOT", "name:add", "-", "a*", "(", "NEAR(add, 3)", "{name}: x", "\ud800"]
)
def test_any_text_is_a_query(text: str) -> None:
    assert set(found(TOOLS, text)) <= {one.name for one in TOOLS}


def test_no_text_at_all_is_a_mistake() -> None:
    chance = random.Random(7)
    letters = [*map(chr, range(0x20, 0x7F)), *"äß文索é\u0301\u200d😀\0\n", "add", "number", " ", "AND", '"']
    with index_of(TOOLS) as index:
        for _ in range(2000):
            index.search("".join(chance.choices(letters, k=chance.randrange(1, 40))), {one.name: one for one in TOOLS}, 3)


def test_only_what_a_caller_sees_is_found_however_many_fit_better() -> None:
    tools = [tool(f"read_{number}", "Reads.") for number in range(500)]
    seen = {one.name: one for one in tools[400:]}
    with index_of(tools) as index:
        assert {one["name"] for one in index.search("read", seen, 100)} == set(seen)
        assert index.categories(seen) == [{"name": "b", "kind": "server", "tool_count": 100, "servers": ["b"]}]


def test_a_tool_that_says_something_else_now_is_not_found_by_what_it_said() -> None:
    old, new = tool("one", "Reads the secret plans."), tool("one", "Says hello.")
    with index_of([old]) as index:
        assert index.search("secret", {new.name: new}, 10) == []


def test_like_a_tool_are_those_that_share_its_words_and_not_itself() -> None:
    """DISC-4."""
    with index_of(TOOLS) as index:
        assert [one["name"] for one in index.similar(TOOLS[0], {one.name: one for one in TOOLS}, 1)] == ["math_subtract"]


def test_categories_are_servers_and_what_annotations_say_the_most_first() -> None:
    """DISC-5."""
    with index_of(TOOLS) as index:
        rows = index.categories({one.name: one for one in TOOLS})
    assert [(row["name"], row["kind"], row["tool_count"], row["servers"]) for row in rows] == [
        ("b", "server", 2, ["b"]),
        ("math", "server", 2, ["math"]),
        ("read-only", "annotation", 2, ["math"]),
        ("kube", "server", 1, ["kube"]),
        ("destructive", "annotation", 1, ["kube"]),
    ]


def test_a_word_that_is_nearly_everywhere_takes_no_long_look() -> None:
    rows = {"tool": MOST_ROWS + 1, "the": 2 * MOST_ROWS, "file": MOST_ROWS, "read": 100}
    assert query_for("the tool", rows, {}).expression == '"tool"'
    assert query_for("the tool", rows, {"tool": 3}).expression == '{name title} : "tool"'
    assert query_for("read the file", rows, {}).expression == '"read" OR (("read") AND ("file"))'
    assert not query_for("the tool", rows, {}).is_ordered


def test_what_is_shown_of_a_tool_has_bounds() -> None:
    properties = {f"p{number}": {"type": ["string", "null"], "description": "x" * 5000} for number in range(1000)}
    schema = {"type": "object", "properties": properties, "required": ["p0", 3]}
    told = card_of(tool("t", "y" * 50_000, inputSchema=schema).entry).told()
    assert len(msgspec.json.encode(told)) < 8192
    first = told["parameters"][0]  # type: ignore[index]
    assert (first["name"], first["required"], first["type"], told["more_parameters"]) == ("p0", True, "string | null", 976)


@pytest.mark.parametrize(
    "members",
    [
        {"description": 3, "annotations": [], "inputSchema": 7},
        {"inputSchema": {"properties": [1], "required": "a"}},
        {"inputSchema": {"properties": {"a": 1, "b": {"type": {"x": 1}}}}},
    ],
)
def test_a_tool_that_is_described_badly_is_found_by_its_name(members: dict[str, object]) -> None:
    assert found([tool("odd", **members)], "odd") == ["b_odd"]  # type: ignore[arg-type]


def test_an_entry_that_nobody_can_read_costs_the_others_nothing() -> None:
    deep = Findable("b_deep", "b", "deep", b'{"name":"b_deep","inputSchema":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert found([deep, tool("fine")], "fine deep") == ["b_deep", "b_fine"]


def test_making_an_index_that_nobody_wants_ends_with_the_next_row() -> None:
    unwanted = threading.Event()
    unwanted.set()
    with pytest.raises(Abandoned):
        ToolIndex.of(TOOLS, unwanted.is_set)


def test_an_id_leads_to_its_tool() -> None:
    tools = FindableTools(prefixes={"math": "math_", "": ""})
    for one in TOOLS[:2]:
        tools.put(one.name, one.server, one.entry)
    tools.put("both", "", b"{}")
    ids = ["math:add", "math_add", ":both", "both", "math:both", "kube:add", "math:", ""]
    found = [tools.find(text) for text in ids]
    assert [one and one.name for one in found] == ["math_add"] * 2 + ["both"] * 2 + [None] * 4
