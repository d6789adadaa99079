"""How much work a schema may make of a document. A backend writes it, and what checks it cannot be interrupted.

A schema is unfolded: each reference counts as what it leads to. One that leads back to where it stands, as those of trees do, counts once for each
level of the document; where several of them may lead back from one place, each level multiplies the work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import attrs

from ..shaping.definitions import KEYS, steps_of

__all__ = ["CannotCheck", "Work", "with_patterns", "work_of"]

MOST_STEPS = 4000
"""Schemas, and values that are compared, to which one may be unfolded."""
_PATTERN = 20
"""What a pattern counts as."""
_FRACTION = 5
"""What a number with a fraction counts as, or one of more than 64 bits, where a value is compared with it: to the last digit, for a microsecond."""

_HERE = ("not", "if", "then", "else")
_HERE_EACH = ("allOf", "anyOf", "oneOf")
_HERE_NAMED = ("dependentSchemas", "dependencies")
_BELOW = ("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "contains", "additionalItems", "unevaluatedItems")
_BELOW_EACH = ("prefixItems", "items")
_BELOW_NAMED = ("properties", "patternProperties")
_ELSEWHERE = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor")
_CLOSED = ("additionalProperties", "unevaluatedProperties")
_ANY = "*"


class CannotCheck(Exception):
    """Why nothing is checked by it; for the operator."""


@attrs.frozen
class Work:
    """What it takes to check a document, at most."""

    steps: int
    """For each value in it."""
    branches: int
    """By so many each level multiplies that; 0 where the schema does not lead back into itself."""


def work_of(schema: object) -> Work:
    """Of a decoded schema; raises `CannotCheck` for what cannot be said, or is too much."""
    unfolding = _Unfolding(schema)
    try:
        unfolding.visit(schema, (), ("#",))
    except RecursionError:
        raise CannotCheck("it is nested too deeply") from None
    back = unfolding.back
    many = any(_ANY in path for path in back)
    return Work(unfolding.steps, sum(back.values()) if many and len(back) > 1 else max(back.values(), default=0))


@attrs.define
class _Unfolding:
    root: object
    steps: int = 0
    back: Counter[tuple[str, ...]] = attrs.field(factory=Counter)
    """Where references lead back, by the place in the document."""

    def visit(self, schema: object, place: tuple[str, ...], within: tuple[str, ...]) -> None:
        """One schema, and all that it holds; ``within`` are the references that have led to it."""
        if not isinstance(schema, dict):
            return
        self.steps += 1 + _PATTERN * ("pattern" in schema) + _PATTERN * len(_mapping(schema, "patternProperties")) + _compared(schema)
        if self.steps > MOST_STEPS:
            raise CannotCheck(f"it unfolds to more than {MOST_STEPS} schemas and values")
        if any(key in schema for key in _ELSEWHERE) or (schema is not self.root and "$id" in schema):
            raise CannotCheck("it has references or names that are found only while it is used")
        if "$ref" in schema:
            self._refer(schema["$ref"], place, within)
        for step, inner in _inner(schema):
            self.visit(inner, place if step is None else (*place, step), within)

    def _refer(self, target: object, place: tuple[str, ...], within: tuple[str, ...]) -> None:
        if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
            raise CannotCheck(f"it refers to what stands elsewhere: {str(target)[:100]!r}")
        if target in within:
            self.back[place] += 1
            return
        found: object = self.root
        for step in steps_of(target) if target != "#" else ():
            found = found.get(step) if isinstance(found, dict) else None
        self.visit(found, place, (*within, target))


def _compared(schema: Mapping[str, object]) -> int:
    """How much stands in it that a value is compared with, one after the other."""
    names = sum(len(_mapping(schema, key)) for key in ("dependentRequired", "dependencies"))
    choices = _list(schema, "enum")
    are_looked_up = all(isinstance(one, str) for one in choices) or all(map(_is_short, choices))
    return names + (0 if are_looked_up else sum(map(_weight, choices)))


def _is_short(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _weight(value: object) -> int:
    if isinstance(value, int | float) and not (isinstance(value, bool) or _is_short(value)):
        return _FRACTION
    return 1 + sum(map(_weight, value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()))


def _inner(schema: Mapping[str, object]) -> Iterator[tuple[str | None, object]]:
    """The schemas that one holds, and whether they are about the same value or about one within it: which."""
    for key in _HERE:
        yield None, schema.get(key)
    for key in _HERE_EACH:
        yield from ((None, one) for one in _list(schema, key))
    for key in _HERE_NAMED:
        yield from ((None, one) for one in _mapping(schema, key).values())
    for key in _BELOW:
        yield _ANY if "roperties" in key else "[]", schema.get(key)
    for key in _BELOW_EACH:
        yield from (("[]", one) for one in _list(schema, key))
    for key in _BELOW_NAMED:
        yield from ((_ANY if key == "patternProperties" else f".{name}", one) for name, one in _mapping(schema, key).items())


def _mapping(schema: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}


def _list(schema: Mapping[str, object], key: str) -> list[object]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def with_patterns(schema: object, *, kept: Callable[[str], bool]) -> object:
    """The schema without the patterns that are not kept. What is told by names that fit a pattern is then told of no name."""
    if not isinstance(schema, dict):
        return schema
    found = dict(schema)
    if isinstance(pattern := found.get("pattern"), str) and not kept(pattern):
        del found["pattern"]
    named = _mapping(found, "patternProperties")
    if not all(map(kept, named)):
        found["patternProperties"] = {name: one for name, one in named.items() if kept(name)}
        found = {key: value for key, value in found.items() if key not in _CLOSED}
    for key in (*_HERE, *_BELOW):
        if isinstance(found.get(key), dict):
            found[key] = with_patterns(found[key], kept=kept)
    for key in (*_HERE_EACH, *_BELOW_EACH):
        if isinstance(found.get(key), list):
            found[key] = [with_patterns(one, kept=kept) for one in _list(found, key)]
    for key in (*_HERE_NAMED, *_BELOW_NAMED, *KEYS):
        if isinstance(found.get(key), dict):
            found[key] = {name: with_patterns(one, kept=kept) for name, one in _mapping(found, key).items()}
    return found
