"""Arguments of a tool that headers repeat, so that those in between can route by them (``x-mcp-header``, P-46, P-47)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import attrs
import msgspec

from .members import Malformed, Params, Raw, decode_object
from .messages import EMPTY, text

__all__ = ["MARK", "Argument", "argument_at", "arguments_of", "repeated"]

MARK = b"x-mcp-header"
DEEPEST = 16
"""Levels of ``properties`` that are looked at."""


@attrs.frozen
class Argument:
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
