"""What is listed, in the ways in which it may be spelled."""

from __future__ import annotations

import pytest

from sluicegate.protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS, ListKind
from sluicegate.routing.inventory import Inventory, _Template

LISTED = Inventory(
    {TOOLS: frozenset({"a"}), PROMPTS: frozenset({"p"}), RESOURCES: frozenset({"x://shown", "x://Hidden/.."}), TEMPLATES: frozenset()},
    frozenset({"x://shown"}),
    (
        _Template.parse("x://item/{id}", shown=True),
        _Template.parse("x://item/secret-{id}", shown=False),
        _Template.parse("x://{first}/to/{last}", shown=True),
        _Template.parse("{begin}notes/{id}", shown=True),
    ),
)


@pytest.mark.parametrize(
    ("kind", "local", "held"),
    [
        (TOOLS, "a", True),
        (TOOLS, "A", False),
        (TOOLS, "p", False),
        (PROMPTS, "p", True),
        (RESOURCES, "x://shown", True),
        (RESOURCES, "X://shown", True),
        (RESOURCES, "x://Hidden/..", True),
        (RESOURCES, "x://other", False),
        (RESOURCES, "x://item/7", True),
        (RESOURCES, "x://item/secret-7", False),
        (RESOURCES, "x://a/to/b", True),
        (RESOURCES, "x://a/from/b", False),
        (RESOURCES, "x:///to/", True),
        (RESOURCES, "x://to/b", False),
        (RESOURCES, "notes/7", True),
        (RESOURCES, "my-notes/7", True),
        (RESOURCES, "note/7", False),
    ],
)
def test_what_is_listed_is_held_by_its_name_and_a_uri_by_other_spellings_too(kind: ListKind, local: str, held: bool) -> None:
    assert LISTED.holds(kind, local) is held
