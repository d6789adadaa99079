"""Lists of tools in a client's file, as filters of the backend. A list that cannot be read must not show what it was to hide."""

from __future__ import annotations

import re
from typing import Any

from ..problem import KeyPath
from .formats import ClientFormat, Meaning
from .imported import LeftOut
from .said import Said

__all__ = ["filters_of"]

_EVERYTHING = "**"
_WITH_MEANING = re.compile(r"[*?\[\]{}\\,!]|^r(?=e:)")
"""What a pattern of ours would not take as it is."""


def filters_of(said: Said, client: ClientFormat, path: KeyPath) -> dict[str, list[str]]:
    """``expose_tools`` or ``hide_tools``; raises `LeftOut`. What is in both lists of a file is hidden."""
    changed = said.value("only")
    if isinstance(changed, dict) and said.path("only", path)[-1] == "tools":
        return _switched_off(said, changed, path)
    only, but = _tools(said, "only", path), _tools(said, "but", path)
    if only is not None and (
        "*" in only or (not only and client.name == "Goose")
    ):  # an empty list is all of them there, and none elsewhere
        only = None
    if only is None:
        return {"hide_tools": _exactly(but)} if but else {}
    shown = [tool for tool in only if tool not in set(but or ())]
    return {"expose_tools": _exactly(shown)} if shown else {"hide_tools": [_EVERYTHING]}


def _switched_off(said: Said, tools: dict[Any, Any], path: KeyPath) -> dict[str, list[str]]:
    """FastMCP's table of tools that it shows otherwise: those that it switches off are hidden, all others stay as they are."""
    if not all(isinstance(change, dict) for change in tools.values()):
        raise LeftOut(said.path("only", path), "this is no list of tools", 'write ["look", "find"]')
    said.unknown += [
        (*said.path("only", path), str(tool), str(key)) for tool, change in tools.items() for key in change if key != "enabled"
    ]
    off = [str(tool) for tool, change in tools.items() if tool and change.get("enabled") is False]
    hidden = [*(_tools(said, "but", path) or ()), *off]
    return {"hide_tools": _exactly(hidden)} if hidden else {}


def _tools(said: Said, meaning: Meaning, path: KeyPath) -> list[str] | None:
    value: Any = said.value(meaning)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(tool, str) and tool for tool in value):
        raise LeftOut(said.path(meaning, path), "this is no list of tools", 'write ["look", "find"]')
    return [tool.partition("(")[0] or tool for tool in value]  # some clients limit arguments, as in "shell(git)"


def _exactly(tools: list[str]) -> list[str]:
    """Patterns that match these names alone, each once."""
    return list(dict.fromkeys(_WITH_MEANING.sub(r"\\\g<0>", tool) for tool in tools))
