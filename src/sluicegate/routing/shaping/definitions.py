"""The definitions of a schema whose arguments were rewritten: those that only the arguments themselves referred to are told nowhere any more."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from ...protocol.messages import Malformed, Params, Raw, decode_object, encode
from ...protocol.values import read_value

__all__ = ["KEYS", "steps_of", "without_unused"]

KEYS = ("$defs", "definitions")


def steps_of(target: str) -> list[str]:
    """The members that a reference within a document leads through."""
    return [unquote(step).replace("~1", "/").replace("~0", "~") for step in target[2:].split("/")]


def without_unused(schema: Params) -> Params:
    """The schema without definitions that nothing in it leads to: what is hidden may stand there. Who has an address of its own stays."""
    tables = {key: table for key in KEYS if key in schema and not isinstance(table := decode_object(schema[key]), Malformed)}
    used: set[tuple[str, str]] = {(key, name) for key, table in tables.items() for name in table if b'"$id"' in bytes(table[name])}
    waiting = [*used, *_led_to(Raw(encode({key: raw for key, raw in schema.items() if key not in tables})))]
    while waiting:
        key, name = waiting.pop()
        used.add((key, name))
        if name in tables.get(key, {}):
            waiting += [other for other in _led_to(tables[key][name]) if other not in used]
    return schema | {key: Raw(encode({name: raw for name, raw in table.items() if (key, name) in used})) for key, table in tables.items()}


def _led_to(raw: Raw) -> Iterator[tuple[str, str]]:
    """The definitions that are referred to in a document, each as its table and its name."""
    for target in _references(read_value(raw)):
        steps = steps_of(target) if target.startswith("#/") else []
        if len(steps) > 1:
            yield steps[0], steps[1]


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
