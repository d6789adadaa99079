"""Which tools clients may use by what their annotations say."""

from __future__ import annotations

import pytest
from tests.routing.test_table import Recorder, call, router

from sluicegate.protocol.messages import EMPTY, Raw, encode
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, Offer
from sluicegate.routing.annotations import Annotated
from sluicegate.routing.catalogue import Entry, build
from sluicegate.routing.visibility import Visibility

BOTH = (False, False)
"""Neither rule hides it."""
LENIENT = (False, True)
"""Only ``read_only_only`` does."""
NEITHER = (True, True)


def tool(name: str, annotations: bytes | None) -> Item:
    raw = {"name": Raw(encode(name))}
    return Item(name, raw if annotations is None else raw | {"annotations": Raw(annotations)})


def offering(*tools: Item) -> Offer:
    return Offer(
        Hello("2025-11-25", {kind.capability: EMPTY for kind in KINDS}, {}), {kind: tools if kind is TOOLS else () for kind in KINDS}
    )


@pytest.mark.parametrize(
    ("annotations", "hidden"),
    [
        (None, LENIENT),
        (b"null", LENIENT),
        (b"{}", NEITHER),
        (b'{"title":"x"}', NEITHER),
        (b'{"readOnlyHint":true}', BOTH),
        (b'{"readOnlyHint":true,"destructiveHint":true}', BOTH),
        (b'{"readOnlyHint":false}', NEITHER),
        (b'{"destructiveHint":false}', LENIENT),
        (b'{"destructiveHint":true}', NEITHER),
        (b'{"destructiveHint":null}', NEITHER),
        (b'{"readOnlyHint":"true"}', NEITHER),
        (b'{"readOnlyHint":1,"destructiveHint":false}', LENIENT),
        (b'["readOnlyHint"]', NEITHER),
    ],
)
def test_hints_that_are_absent_have_the_defaults_of_the_protocol(annotations: bytes | None, hidden: tuple[bool, bool]) -> None:
    """FLT-3: ``destructiveHint`` is true and ``readOnlyHint`` false by default, and the former says nothing where a tool reads only."""
    rules = Annotated(hide_destructive=True), Annotated(read_only_only=True)
    assert tuple(bool(rule.hidden([tool("t", annotations)])) for rule in rules) == hidden
    assert Annotated().hidden([tool("t", annotations)]) == frozenset()


def test_a_name_that_is_listed_twice_is_judged_by_its_worse_entry() -> None:
    twice = [tool("t", b'{"readOnlyHint":true}'), tool("t", b"{}"), tool("u", b'{"readOnlyHint":true}')]
    assert Annotated(hide_destructive=True).hidden(twice) == {"t"}


SAFE, WILD = tool("look", b'{"readOnlyHint":true}'), tool("wipe", b'{"destructiveHint":true}')
GUARDED = Visibility(annotated=Annotated(hide_destructive=True))


def test_what_is_hidden_is_in_no_list() -> None:
    catalogue = build([Entry("b", "b", Recorder(), GUARDED, offering(SAFE, WILD))], separator="_")
    assert list(catalogue.names(TOOLS)) == ["b_look"]


@pytest.mark.parametrize("name", ["b_wipe", "b_WIPE", "b_not_listed"])
async def test_what_is_hidden_cannot_be_called_nor_what_is_not_listed(name: str) -> None:
    """FLT-4: a tool that nobody has said anything about may be the one that is hidden, in a spelling of its own."""
    backend = Recorder()
    route = router(Entry("b", "b", backend, GUARDED, offering(SAFE, WILD)))

    fault = (await route(call("tools/call", name=name))).fault
    await route(call("tools/call", name="b_look"))

    assert fault is not None
    assert (fault.code, fault.reason) == (-32602, "not_available")
    assert [params["name"] for params in backend.params] == ["look"]


async def test_nothing_can_be_called_while_nobody_knows_what_it_says_of_itself() -> None:
    backend = Recorder()
    route = router(Entry("b", "b", backend, GUARDED, None, starting=True))

    fault = (await route(call("tools/call", name="b_look"))).fault

    assert fault is not None
    assert (fault.reason, backend.calls) == ("not_available", [])


async def test_what_is_no_tool_is_not_judged_by_annotations() -> None:
    backend = Recorder()
    route = router(Entry("b", "b", backend, GUARDED, offering(SAFE)))
    await route(call("prompts/get", name="b_greet"))
    await route(call("resources/read", uri="b+file:///x"))
    assert len(backend.calls) == 2


async def test_a_hidden_tool_has_no_alias_either() -> None:
    guarded = Visibility(annotated=Annotated(hide_destructive=True), aliases={"wipe": "clean"})
    backend = Recorder()
    route = router(Entry("b", "b", backend, guarded, offering(SAFE, WILD)))
    faults = [(await route(call("tools/call", name=name))).fault for name in ("b_clean", "b_wipe")]
    assert [fault.reason for fault in faults if fault is not None] == ["not_available"] * 2
