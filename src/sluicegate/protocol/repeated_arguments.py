"""Arguments of a tool that headers repeat, so that those in between can route by them (``x-mcp-header``, P-46 … P-48)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Literal

import msgspec

from .members import Malformed, Params, Raw, decode_object
from .messages import EMPTY, text

__all__ = ["MARK", "Argument", "argument_at", "arguments_of", "misuse", "repeated"]

MARK = b"x-mcp-header"
DEEPEST = 16
"""Levels of ``properties`` that are looked at; what is marked below has no place."""
MOST_PARTS = 10_000
"""Parts of a schema in which something is marked; a larger one takes so long to look at that everybody waits."""
MOST_READ = 200
"""Characters of a place, or of a name, that are told."""
_KEY: Final = MARK.decode()
_TYPES = ("string", "integer", "boolean")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What the name of a header is made of (RFC 9110, 5.6.2)."""
_SCHEMA, _SEVERAL, _NAMED = (
    frozenset(
        [
            "items",
            "additionalItems",
            "unevaluatedItems",
            "contains",
            "additionalProperties",
            "unevaluatedProperties",
            "propertyNames",
            "contentSchema",
            "not",
            "if",
            "then",
            "else",
        ]
    ),
    frozenset(["items", "prefixItems", "allOf", "anyOf", "oneOf"]),
    frozenset(["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"]),
)
"""Keywords whose value is a schema, a list of schemas, or schemas by name."""


class Argument(msgspec.Struct, frozen=True):
    """An argument that a header repeats."""

    header: str
    """The end of the header's name, in lower case; before it stands ``mcp-param-``."""
    path: tuple[str, ...]
    """Its place: a name, and the names around it."""
    type: Literal["string", "integer", "boolean"]


def arguments_of(schema: object, path: tuple[str, ...] = ()) -> Iterator[Argument]:
    """Those that a decoded schema marks."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, one in properties.items() if isinstance(properties, dict) and len(path) < DEEPEST else ():
        if isinstance(one, dict):
            header, kind = one.get("x-mcp-header"), one.get("type")
            if isinstance(header, str) and kind in ("string", "integer", "boolean"):
                yield Argument(header.lower(), (*path, name), kind)
            yield from arguments_of(one, (*path, name))


def misuse(schema: object) -> str:
    """How a decoded schema marks what cannot be repeated, in words; empty where it does not.

    Only a property can be marked to which nothing but other properties lead, since only that has one place in the arguments.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, (path, one) in enumerate(_schemas(schema)):
        if number >= MOST_PARTS:
            return f"a schema with {_KEY} has more than {MOST_PARTS} parts"
        if _KEY not in one:
            continue
        header = one[_KEY]
        if not path:
            return f"{_KEY} is at a part of the schema that is no property, has no one place in the arguments, or lies too deep"
        if not isinstance(header, str) or not _TOKEN.fullmatch(header):
            return f"{_KEY} of '{_words(path)}' is not the name of a header"
        if one.get("type") not in _TYPES:
            return f"{_KEY} is at '{_words(path)}', whose type is none of {', '.join(_TYPES)}"
        if header.lower() in found:
            return f"{_KEY} '{_cut(header)}' is at '{_words(path)}' and at '{_words(found[header.lower()])}'"
        found[header.lower()] = path
    return ""


def _words(path: tuple[str, ...]) -> str:
    return _cut(".".join(map(_cut, path)))


def _cut(name: str) -> str:
    """As much of it as somebody reads: a backend may call its parameters as it likes."""
    return name if len(name) <= MOST_READ else f"{name[:MOST_READ]}…"


def _schemas(schema: object) -> Iterator[tuple[tuple[str, ...] | None, dict[str, object]]]:
    """Every part of a schema that is one, with the names of properties that lead there; None where something else does, or too many."""
    left: list[tuple[tuple[str, ...] | None, object]] = [((), schema)]
    while left:
        path, one = left.pop()
        if not isinstance(one, dict):
            yield path, {}
            continue
        yield path, one
        for key, value in one.items():
            if key in _NAMED and isinstance(value, dict):
                on_path = path is not None and key == "properties" and len(path) < DEEPEST
                left += [((*(path or ()), name) if on_path else None, part) for name, part in islice(value.items(), MOST_PARTS)]
            elif key in _SEVERAL and isinstance(value, list):
                left += [(None, part) for part in value[:MOST_PARTS]]
            elif key in _SCHEMA:
                left.append((None, value))


def argument_at(params: Params, path: Sequence[str]) -> Raw | None:
    """What a call has there; None if nothing."""
    raw: Raw | None = params.get("arguments", EMPTY)
    for name in path:
        members = decode_object(raw) if raw is not None else {}
        raw = None if isinstance(members, Malformed) else members.get(name)
    return raw


def repeated(arguments: Sequence[Argument], params: Params) -> tuple[tuple[str, str], ...]:
    """What headers are to repeat of a call: the end of each name, and the value as it is read from JSON."""
    found = []
    for argument in arguments:
        raw = argument_at(params, argument.path)
        if raw is not None and bytes(raw) != b"null":
            value = text(raw)
            found.append((argument.header, _plain(raw) if value is None else value))
    return tuple(found)


def _plain(raw: Raw) -> str:
    """A number or a truth value as a header says it: integers as digits alone."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return str(int(value)) if whole and isinstance(value, float) else bytes(raw).decode(errors="replace")
