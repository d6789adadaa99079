"""What is read off the lists of a backend."""

import attrs
import pytest

from sluicegate.protocol.messages import EMPTY, Raw, decode_object, encode
from sluicegate.protocol.offers import KINDS, PROMPTS, RESOURCES, TEMPLATES, TOOLS, Hello, Item, ListKind, Offer


def tool(name: str, annotations: bytes = b"") -> Item:
    raw = decode_object(b'{"name":%b%b}' % (encode(name), b',"annotations":%b' % annotations if annotations else b""))
    assert isinstance(raw, dict)
    return Item(name, raw)


def offer(lists: dict[ListKind, tuple[Item, ...]]) -> Offer:
    return Offer(Hello("2025-11-25", {}, {}), {kind: lists.get(kind, ()) for kind in KINDS})


def named(kind: ListKind, *keys: str) -> tuple[Item, ...]:
    return tuple(Item(key, {kind.key: Raw(encode(key))}) for key in keys)


@pytest.mark.parametrize(
    ("annotations", "harmless"),
    [
        (b'{"readOnlyHint":true}', True),
        (b'{"idempotentHint": true }', True),
        (b'{"readOnlyHint":false,"idempotentHint":true,"destructiveHint":true}', True),
        (b'{"readOnlyHint":true,"destructiveHint":true}', True),
        (b'{"read\\u004fnlyHint":true}', True),
        (b'{"readOnlyHint":false,"idempotentHint":false}', False),
        (b'{"destructiveHint":false}', False),
        (b'{"readOnlyHint":"true"}', False),
        (b'{"readOnlyHint":1}', False),
        (b'{"readOnlyHint":[true]}', False),
        (b'{"readonlyhint":true}', False),
        (b'{"readOnlyHint":true,"readOnlyHint":false}', False),
        (b"{}", False),
        (b"null", False),
        (b"true", False),
        (b'["readOnlyHint"]', False),
        (b"", False),
    ],
)
def test_a_tool_is_harmless_only_if_its_annotations_say_so_in_as_many_words(annotations: bytes, harmless: bool) -> None:
    """RES-4: a boolean that is true, and nothing that looks like one."""
    assert ("t" in offer({TOOLS: (tool("t", annotations),)}).harmless_tools) is harmless


def test_a_tool_that_is_listed_twice_is_harmless_only_if_both_are() -> None:
    yes, no = b'{"readOnlyHint":true}', b'{"readOnlyHint":false}'

    tools = tool("a", yes), tool("b"), tool("a", no), tool("c", yes), tool("c", yes)

    assert offer({TOOLS: tools}).harmless_tools == {"c"}


def test_a_list_that_is_read_again_is_looked_at_again() -> None:
    first = offer({TOOLS: (tool("a", b'{"readOnlyHint":true}'),)})

    second = attrs.evolve(first, lists=first.lists | {TOOLS: (tool("b", b'{"readOnlyHint":true}'),)})

    assert [first.harmless_tools, second.harmless_tools] == [frozenset("a"), frozenset("b")]
    assert [second.covers("tools/call", name) for name in "ab"] == [False, True]


@pytest.mark.parametrize(
    ("method", "local", "covered"),
    [
        ("tools/call", "add", True),
        ("tools/call", "greet", False),
        ("prompts/get", "greet", True),
        ("prompts/get", "add", False),
        ("resources/read", "file:///x", True),
        ("resources/subscribe", "file:///x", True),
        ("resources/read", "log://today", True),
        ("resources/read", "log:/", False),
        ("tools/call", "log://today", False),
        ("completion/complete", "add", False),
        ("ping", "", False),
    ],
)
def test_an_offer_covers_what_it_lists_and_what_begins_like_one_of_its_templates(method: str, local: str, covered: bool) -> None:
    lists = {
        TOOLS: named(TOOLS, "add"),
        PROMPTS: named(PROMPTS, "greet"),
        RESOURCES: named(RESOURCES, "file:///x"),
        TEMPLATES: named(TEMPLATES, "log://{day}", "db://{table}/{row}"),
    }

    assert offer(lists).covers(method, local) is covered


def test_offers_of_the_same_lists_are_equal() -> None:
    assert offer({TOOLS: (tool("a", bytes(EMPTY)),)}) == offer({TOOLS: (tool("a", bytes(EMPTY)),)})
