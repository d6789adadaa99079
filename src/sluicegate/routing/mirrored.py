"""Which arguments of a tool its clients repeat in headers, so that those in between can route by them (``x-mcp-header``, P-46)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec

from ..protocol.offers import TOOLS
from ..protocol.repeated_arguments import MARK, Argument, arguments_of
from ..protocol.spelled import may_name
from .catalogue import Catalogue

__all__ = ["Argument", "mirrored_arguments"]

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
    return {tool.name: tuple(arguments_of(tool.schema)) for tool in found}


def _marked(page: bytes) -> list[_Tool]:
    tools = _read(page, _Page) if may_name(page, MARK) else None
    marked = [] if tools is None else [raw for raw in tools.tools if may_name(bytes(raw), MARK)]
    return [tool for raw in marked if (tool := _read(raw, _Tool)) is not None]


def _read(raw: bytes | msgspec.Raw, kind: type[_Kind]) -> _Kind | None:
    """What a backend wrote, unless it is such that nobody can read it."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
