"""How long a name may be, to the byte."""

from __future__ import annotations

import pytest

from sluicegate.protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS, ListKind
from sluicegate.routing.lengths import longest, too_long


@pytest.mark.parametrize(
    ("kind", "most"), [(TOOLS, 1024), (PROMPTS, 1024), (RESOURCES, 8192), (TEMPLATES, 8192)], ids=lambda value: getattr(value, "name", "")
)
@pytest.mark.parametrize("letter", ["x", "é", "日", "\udc80"], ids=["one byte", "two bytes", "three bytes", "half a character"])
def test_a_name_has_as_many_bytes_as_its_kind_may_have_and_no_more(kind: ListKind, most: int, letter: str) -> None:
    size = len(letter.encode(errors="replace"))
    name = letter * (most // size) + "x" * (most % size)

    assert longest(kind) == most
    assert not too_long(kind, name)
    assert too_long(kind, f"{name}x")
    assert too_long(kind, f"x{name[:-1]}é")
