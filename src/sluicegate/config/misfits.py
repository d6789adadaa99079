"""What did not fit the model, in words: out of the errors of cattrs come the places in the file, each with what to write there instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cattrs

from ..policies.settings import needed
from ..settings.ranges import OutOfRange
from .homes import home_of, keys_of
from .nearest import instead_of_unknown
from .planned import Finding, keys_at
from .problem import KeyPath, dotted

__all__ = ["Wrong", "findings_in"]

_ADD = {
    "proxy": 'add [proxy] with name = "…"',
    "issuer": 'add issuer = "https://…", the iss of the tokens',
    "audience": 'add audience = "https://…", for whom tokens must be made: the address of this gateway, as clients know it',
    "transport": 'add transport = "stdio" or transport = "http"',
}


class Wrong(Exception):
    """A value of the wrong kind: what it is, and what to write instead."""


def findings_in(error: BaseException, path: KeyPath, cls: type[Any] | None) -> Iterator[Finding]:
    """Every place that an error is about; ``path`` is where it was raised, and ``cls`` the class that was being made."""
    if isinstance(error, cattrs.ClassValidationError):
        noted, bare = error.group_exceptions()
        for inner, attribute in noted:
            yield from findings_in(inner, (*path, attribute.name.rstrip("_")), cls)
        for inner in bare:
            yield from findings_in(inner, path, error.cl)
    elif isinstance(error, cattrs.IterableValidationError):
        for inner, entry in error.group_exceptions()[0]:
            yield from findings_in(inner, (*path, entry.index), cls)
    elif isinstance(error, cattrs.ForbiddenExtraKeysError):
        yield from _unknown(error, path)
    elif isinstance(error, KeyError):
        yield Finding(path, f"the key '{path[-1]}' is missing", _ADD.get(str(path[-1]), f"add {path[-1]} = {_example(path)}"))
    elif isinstance(error, Wrong):
        yield Finding(path, *error.args)
    elif isinstance(error, OutOfRange):
        within = path[2:] if path[0] == "backends" else path
        yield Finding(path, f"{dotted(within)} {error.what}", error.instead, error.nearest)
    else:
        raise error


def _unknown(error: cattrs.ForbiddenExtraKeysError, path: KeyPath) -> Iterator[Finding]:
    known, planned = keys_of(error.cl), keys_at(path)
    for key in sorted(map(str, error.extra_fields)):
        home = home_of(key, path)
        instead = f"it belongs in {home}" if home else instead_of_unknown(key, known, planned)
        yield Finding((*path, key), f"unknown key '{key}'", instead)


def _example(path: KeyPath) -> str:
    number = needed(str(path[-2]), str(path[-1])) if len(path) > 1 else None
    return '"…"' if number is None else f"{number:g}"
