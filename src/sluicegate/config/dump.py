"""A configuration as TOML again (CFG-7). What equals its default is left out, and so is every secret unless asked for."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..protocol.addresses import public_part
from ..settings.secret import HIDDEN, Secret
from .homes import NOT_FROM_FILES
from .interpolate import escape
from .model import AliasConfig, Config
from .problem import dotted
from .secrets import ADDRESSES

__all__ = ["HIDDEN", "dump"]

_PROGRAMS = frozenset({"args"})
"""Texts of which nobody knows whether they are secret: programs are given keys in them."""
_ALWAYS = frozenset({"name", "transport", "type", "seconds"})
"""Written even where they equal a default: a table is not readable without them."""


def dump(config: Config, *, secrets: bool = False) -> str:
    """Write it so that reading it back gives the same; with ``secrets`` the result must be kept like a password."""
    tree = _tree(config, secrets=secrets)
    return "\n".join(_table(tree, ())).strip() + "\n"


def _tree(value: Any, *, secrets: bool) -> dict[str, Any]:
    """The fields of an attrs object that differ from their defaults."""
    tree: dict[str, Any] = {}
    cls = type(value)
    for field in attrs.fields(cls):
        item = getattr(value, field.name)
        key = field.name.rstrip("_")
        if (cls is Config and key in NOT_FROM_FILES) or item is None or (key not in _ALWAYS and item == _default(field)):
            continue
        if key in _PROGRAMS and not secrets:
            item = [HIDDEN for _ in item]
        if key in ADDRESSES and isinstance(item, str) and not secrets and getattr(value, "backend", "") != "sqlite":
            item = public_part(item)
        tree[key] = _plain(item, secrets=secrets)
    return tree


def _plain(item: Any, *, secrets: bool) -> Any:
    if isinstance(item, AliasConfig):
        return {"from": escape(item.from_), "to": escape(item.to)}
    if isinstance(item, Secret):
        return escape(item.reveal()) if secrets else HIDDEN
    if attrs.has(type(item)):
        return _tree(item, secrets=secrets)
    if isinstance(item, tuple | list):
        return [_plain(entry, secrets=secrets) for entry in item]
    if isinstance(item, Mapping):
        return {str(key): _plain(entry, secrets=secrets) for key, entry in item.items()}
    return escape(item) if isinstance(item, str) else item


def _default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    factory = getattr(default, "factory", None)  # only attrs' own Factory has one
    return factory() if factory is not None else default


def _table(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """The lines of one table: its values first, then the tables in it."""
    inner = {key: item for key, item in tree.items() if isinstance(item, dict) and item}
    lists = {key: item for key, item in tree.items() if isinstance(item, list) and item and isinstance(item[0], dict)}
    for key, item in tree.items():
        if key not in inner and key not in lists:  # an empty table is one whose values are all defaults, and it is there
            yield f"{dotted((key,))} = {_value(item)}"
    for key, item in inner.items():
        yield f"\n[{dotted((*path, key))}]"
        yield from _table(item, (*path, key))
    for key, entries in lists.items():
        for entry in entries:
            yield f"\n[[{dotted((*path, key))}]]"
            yield from _table(entry, (*path, key))


@functools.singledispatch
def _value(item: Any) -> str:
    """A number or a flag; JSON writes these as TOML does."""
    return json.dumps(item)


@_value.register
def _(item: str) -> str:
    # JSON's escapes are TOML's, but for the delete character and for halves of surrogate pairs, which TOML cannot hold at all
    return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007F")


@_value.register
def _(item: list) -> str:  # type: ignore[type-arg]  # singledispatch looks at the class alone
    return "[" + ", ".join(_value(entry) for entry in item) + "]"
