"""Keys that are understood but not built yet: modelled so far that a typing mistake in them is told from a plan.

`take` removes them from the tree of a file, so that what is left is what `sluicegate.config.model` knows. A key that only says that the
feature is off asks for nothing, and is no plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from .nearest import instead_of_unknown
from .problem import KeyPath

__all__ = ["PLANNED", "Finding", "keys_at", "take"]

Kind: TypeAlias = "str | tuple[str, ...] | Mapping[str, Kind] | list[Kind]"
"""A name of `_TYPES`; or the words to choose from; or a table's keys; or a list of one kind. A trailing ``!`` means that the key is required."""

_BACKEND: Mapping[str, Kind] = {}
PLANNED: Mapping[KeyPath, Mapping[str, Kind]] = {
    (): {},
    ("backends",): _BACKEND,
    ("security",): {"admin_token": "text"},
    ("observability",): {
        "tracing": {"enabled": "flag", "endpoint": "text", "service_name": "text"},
    },
}
"""By table; ``backends`` stands for each of its entries."""

_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, 'a text in quotes, such as "x"'),
    "integer": (int, "a whole number"),
    "number": ((int, float), "a number"),
    "flag": (bool, "true or false"),
    "table": (dict, "a table"),
}
_SWITCHES: Mapping[str, frozenset[str]] = {
    "tracing": frozenset({"enabled"}),
}
"""By table, the keys that turn it on; the others only say how."""


@attrs.frozen
class Finding:
    """Something about one key, before its file and line are known."""

    path: KeyPath
    what: str
    instead: str = ""
    nearest: float | None = None
    """A number that may stand there, where another does that may not."""


def keys_at(table: KeyPath) -> tuple[str, ...]:
    """The planned keys of one table, for the search for the nearest key."""
    return tuple(PLANNED.get(tuple(step for step in table if isinstance(step, str)), ()))


def take(tree: dict[str, Any]) -> tuple[dict[str, Any], list[Finding], list[Finding]]:
    """Split a file's tree: what is built, what is planned, and what is wrong within the plans."""
    planned: list[Finding] = []
    wrong: list[Finding] = []
    tree = _without(tree, (), planned, wrong)
    for table in ("security", "observability"):
        if isinstance(tree.get(table), dict):
            tree[table] = _without(tree[table], (table,), planned, wrong)
    if isinstance(tree.get("backends"), list):
        tree["backends"] = [
            _without(entry, ("backends", index), planned, wrong) if isinstance(entry, dict) else entry
            for index, entry in enumerate(tree["backends"])
        ]
    return tree, planned, wrong


def _without(table: dict[str, Any], path: KeyPath, planned: list[Finding], wrong: list[Finding]) -> dict[str, Any]:
    kinds = PLANNED[tuple(step for step in path if isinstance(step, str))]
    for key in table.keys() & kinds.keys():
        mistakes = list(_of_a_plan(_mistakes(table[key], kinds[key], (*path, key))))
        wrong += mistakes
        if not mistakes and _asks(key, table[key]):
            planned.append(Finding((*path, key), f"'{key}' is planned, not built yet", "leave it out until then"))
    return {key: value for key, value in table.items() if key not in kinds}


def _asks(key: str, value: Any) -> bool:
    """Whether anything would have to be built for this value."""
    if value is False or value in ([], {}):
        return False
    if key in _SWITCHES:
        return any(_asks(inner, item) for inner, item in value.items() if inner in _SWITCHES[key])
    return True


def _of_a_plan(mistakes: Iterable[Finding]) -> Iterator[Finding]:
    """Whoever mends them should know that it will not run all the same."""
    return (attrs.evolve(mistake, instead=f"{mistake.instead} (it is planned, not built yet)") for mistake in mistakes)


def _mistakes(value: Any, kind: Kind, path: KeyPath) -> Iterator[Finding]:
    if isinstance(kind, str):
        types, wanted = _TYPES[kind]
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "flag"):
            yield Finding(path, "the value has the wrong type", f"write {wanted}")
    elif isinstance(kind, tuple):
        if value not in kind:
            yield Finding(path, "this is none of the values that are known", "write " + " or ".join(f'"{word}"' for word in kind))
    elif isinstance(kind, list):
        if not isinstance(value, list):
            yield Finding(path, "the value is no list", "write a list in brackets")
        else:
            for index, item in enumerate(value):
                yield from _mistakes(item, kind[0], (*path, index))
    elif not isinstance(value, dict):
        yield Finding(path, "the value is no table", f"write a table with {', '.join(key.rstrip('!') for key in kind)}")
    else:
        yield from _mistakes_of_table(value, kind, path)


def _mistakes_of_table(value: dict[str, Any], kinds: Mapping[str, Kind], path: KeyPath) -> Iterator[Finding]:
    known = {key.rstrip("!"): kind for key, kind in kinds.items()}
    for key, item in value.items():
        if key in known:
            yield from _mistakes(item, known[key], (*path, key))
        else:
            yield Finding((*path, str(key)), f"unknown key '{key}'", instead_of_unknown(str(key), known))
    for key in kinds:
        if key.endswith("!") and key[:-1] not in value:
            yield Finding(path, f"'{key[:-1]}' is missing", f"add {key[:-1]}")
