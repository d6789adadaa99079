"""Arguments that are made of a composite's own, and of what its earlier tools have answered.

A text that is one place and nothing else becomes the value that is there, of whatever kind, and is left out where there is none. Within a longer
text a value is put in as text.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...protocol.members import text as read_string
from ...protocol.messages import Malformed, Raw, decode_object, encode
from ...protocol.template_places import PLACE

__all__ = ["Missing", "Template"]


class Missing(Exception):
    """A text needs a value that is not there; says which."""


class Template(msgspec.Struct, frozen=True):
    """The arguments of one tool, with places in them."""

    value: Mapping[str, object]

    def fill(self, arguments: Raw, results: Mapping[str, Raw]) -> Raw:
        """The arguments for one call; raises `Missing`."""
        return Raw(encode(_filled(self.value, {"arguments": arguments}, results)))


_ABSENT = object()


def _filled(value: object, roots: Mapping[str, Raw], results: Mapping[str, Raw]) -> object:
    if isinstance(value, Mapping):
        made = {name: _filled(inner, roots, results) for name, inner in value.items()}
        return {name: inner for name, inner in made.items() if inner is not _ABSENT}
    if isinstance(value, list):
        return [inner for inner in (_filled(inner, roots, results) for inner in value) if inner is not _ABSENT]
    if not isinstance(value, str):
        return value
    whole = PLACE.fullmatch(value)
    if whole is not None:
        found = _found(whole[1], roots, results)
        return _ABSENT if found is None else found
    return PLACE.sub(lambda place: _as_text(place[1], _found(place[1], roots, results)), value)


def _found(place: str, roots: Mapping[str, Raw], results: Mapping[str, Raw]) -> Raw | None:
    root, *steps = place.split(".")
    current = results.get(steps.pop(0)) if root == "results" else roots[root]
    for step in steps:
        members = Malformed(0, "") if current is None else decode_object(current)
        if isinstance(members, Malformed):
            return None
        current = members.get(step)
    return current


def _as_text(place: str, value: Raw | None) -> str:
    if value is None:
        raise Missing(place)
    words = read_string(value)
    return bytes(value).decode() if words is None else words
