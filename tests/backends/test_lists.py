"""Pages of lists: what is no list, what has no name, cursors that are none, and how much is told of it."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.backends.lists import Page, joined, read_page
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import TOOLS

# The numbers that are promised. Taken from the source they would move with it.
AT_ONCE = 32
BYTES_AT_ONCE = 16 * 1024
MOST_FLAWS = 100
MOST_ENTRIES = 10_000

GOOD = {"name": "good", "inputSchema": {"type": "object"}}


async def page_of(result: object, *, strict: bool = False) -> Page:
    return await read_page(Raw(encode(result)), TOOLS, strict=strict)


@pytest.mark.parametrize(
    ("result", "what"),
    [
        ({}, "tools is missing, so nothing is listed"),
        ({"tools": None}, "tools is null, so nothing is listed"),
        ({"tools": {}}, "tools is {}, so nothing is listed"),
        ({"tools": "x"}, "tools is no list; nothing of it is listed"),
        ([], "a message must be a JSON object; nothing of it is listed"),
    ],
)
async def test_what_is_no_list_is_an_empty_one(result: object, what: str) -> None:
    listed = (await page_of(result)).listed

    assert listed.items == ()
    assert [("tool", "", what)] == [(flaw.kind, flaw.name, flaw.what) for flaw in listed.flaws]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("entry", [None, "x", 5, [], {}, {"name": 5}, {"name": ""}, {"name": None}])
async def test_what_has_no_name_is_left_out(entry: object, strict: bool) -> None:
    listed = (await page_of({"tools": [entry, GOOD]}, strict=strict)).listed

    assert [item.key for item in listed.items] == ["good"]
    assert [flaw.what.endswith("it is left out") for flaw in listed.flaws] == [True]


@pytest.mark.parametrize(("cursor", "read"), [("x", b'"x"'), ("", b'""'), (5, b"5"), (None, None), (False, None), ([], None), ({}, None)])
async def test_what_stands_for_no_cursor_is_none(cursor: Any, read: bytes | None) -> None:
    page = await page_of({"tools": [GOOD], "nextCursor": cursor})

    assert read == (None if page.cursor is None else bytes(page.cursor))


async def test_of_very_many_entries_only_some_are_listed_and_that_is_told() -> None:
    entries = b",".join(b'{"name":"%d","inputSchema":{"type":"object"}}' % number for number in range(MOST_ENTRIES + 5))

    listed = (await read_page(Raw(b'{"tools":[%b]}' % entries), TOOLS)).listed

    assert [item.key for item in listed.items] == [str(number) for number in range(MOST_ENTRIES)]
    assert [flaw.what for flaw in listed.flaws] == [f"there are more than {MOST_ENTRIES} on a page; the others are not listed"]


async def test_a_tool_that_demands_thousands_of_arguments_is_left_out() -> None:
    schema = {"type": "object", "required": [str(number) for number in range(10_000)]}

    listed = (await page_of({"tools": [GOOD, {"name": "greedy", "inputSchema": schema}]})).listed

    assert [(flaw.name, "more than 512 entries" in flaw.what) for flaw in listed.flaws] == [("greedy", True)]


async def test_of_very_many_flaws_only_some_are_told_of() -> None:
    pages = [await page_of({"tools": [{"name": f"{number}"} for number in range(150)]}) for _page in range(2)]

    listed = joined(pages, TOOLS)

    assert len(listed.items) == 300
    assert len(listed.flaws) == MOST_FLAWS + 1
    assert listed.flaws[-1].what.endswith("more entries are not as they should be")


async def test_long_names_and_long_complaints_are_shortened() -> None:
    odd = {"name": "n" * 1000, "inputSchema": {"type": "object", "properties": {f"{number}" * 200: True for number in range(10, 20)}}}

    (flaw,) = (await page_of({"tools": [odd]})).listed.flaws

    assert len(flaw.name) < 200
    assert len(flaw.what) < 600
    assert "and 7 more" in flaw.what


async def test_others_get_their_turn_while_a_long_list_is_read(autojump_clock: trio.testing.MockClock) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    raw = Raw(json.dumps({"tools": [GOOD] * AT_ONCE * 20}).encode())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await read_page(raw, TOOLS)
        nursery.cancel_scope.cancel()

    assert turns >= 10


@attrs.define(eq=False)
class Counted(trio.abc.Instrument):
    """How often a task has gone on."""

    task: trio.lowlevel.Task
    steps: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += task is self.task


async def turns_while_reading(*sizes: int) -> int:
    """How often others get their turn while a page with entries of so many bytes is read."""
    empty = len(json.dumps({**GOOD, "description": ""}, separators=(",", ":")))
    entries = [{**GOOD, "description": "x" * (size - empty)} for size in sizes]
    counted = Counted(trio.lowlevel.current_task())
    trio.lowlevel.add_instrument(counted)
    try:
        await read_page(Raw(json.dumps({"tools": entries}, separators=(",", ":")).encode()), TOOLS)
    finally:
        trio.lowlevel.remove_instrument(counted)
    return counted.steps


async def test_others_get_their_turn_after_so_many_bytes_of_a_list_or_so_many_entries() -> None:
    """Whichever comes first, and not more often."""
    at_first = await turns_while_reading(100)
    half = BYTES_AT_ONCE // 2
    assert await turns_while_reading(100, half, half) == at_first
    assert await turns_while_reading(100, half, half, 100) == at_first + 1
    assert await turns_while_reading(100, half, half + 1) == at_first + 1
    assert await turns_while_reading(*[100] * AT_ONCE) == at_first
    assert await turns_while_reading(*[100] * (AT_ONCE + 1)) == at_first + 1
