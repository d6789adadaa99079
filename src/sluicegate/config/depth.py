"""How deep a file may be nested: what goes through it calls itself once for each level."""

from __future__ import annotations

from typing import Any

from .problem import KeyPath

__all__ = ["DEEP", "MAX_DEPTH", "too_deep"]

MAX_DEPTH = 100
"""Levels of tables and lists; no configuration has as many."""
DEEP = f"it is nested over {MAX_DEPTH} levels deep"


def too_deep(value: Any) -> KeyPath | None:
    """The way to the first place below which there are more levels than that, as far as it is worth showing."""
    waiting: list[tuple[Any, KeyPath]] = [(value, ())]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, dict | list) and len(path) >= MAX_DEPTH:
            return path
        if isinstance(value, dict):
            waiting += [(item, (*path, str(key))) for key, item in value.items() if isinstance(item, dict | list)]
        elif isinstance(value, list):
            waiting += [(item, (*path, index)) for index, item in enumerate(value) if isinstance(item, dict | list)]
    return None
