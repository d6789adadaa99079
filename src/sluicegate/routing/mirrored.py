"""Which arguments of a tool its clients repeat in headers, so that those in between can route by them (``x-mcp-header``, P-46)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal, TypeVar

import attrs
import msgspec

from ..protocol.offers import TOOLS
from .catalogue import Catalogue

__all__ = ["Argument", "mirrored_arguments"]

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


_Kind = TypeVar("_Kind")


class _Tool(msgspec.Struct):
    name: str = ""
    schema: object = msgspec.field(default=None, name="inputSchema")


class _Page(msgspec.Struct):
    tools: list[msgspec.Raw] = []


@lru_cache(4)  # lists change seldom, and then there is another catalogue
def mirrored_arguments(catalogue: Catalogue) -> Mapping[str, tuple[Argument, ...]]:
    """By the client-facing name of a tool, its arguments that headers may repeat; only tools that have some."""
    pages = catalogue.pages[TOOLS.method]
    found = [tool for reply in (pages.first, *pages.rest.values()) for tool in _marked(bytes(reply.result))]
    return {tool.name: tuple(_arguments(tool.schema, ())) for tool in found}


def _marked(page: bytes) -> list[_Tool]:
    tools = _read(page, _Page) if MARK in page else None
    return [] if tools is None else [tool for raw in tools.tools if MARK in bytes(raw) and (tool := _read(raw, _Tool)) is not None]


def _read(raw: bytes | msgspec.Raw, kind: type[_Kind]) -> _Kind | None:
    """What a backend wrote, unless it is such that nobody can read it."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _arguments(schema: object, path: tuple[str, ...]) -> Iterator[Argument]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, one in properties.items() if isinstance(properties, dict) and len(path) < DEEPEST else ():
        if isinstance(one, dict):
            header, kind = one.get("x-mcp-header"), one.get("type")
            if isinstance(header, str) and kind in ("string", "integer", "boolean"):
                yield Argument(header.lower(), (*path, name), kind)
            yield from _arguments(one, (*path, name))
