"""Whether the files that a table names can be read."""

from __future__ import annotations

from pathlib import Path

from ..documents import Unreadable
from ..problem import Problem
from ..regular_files import regular_bytes

__all__ = ["unreadable_files"]

_LARGEST = 16 * 1024 * 1024
"""Bytes; all authorities of the web together are a quarter of a MiB."""


def unreadable_files(table: str, **files: str | None) -> list[Problem]:
    """What is wrong with the PEM files of a table, by their keys; None is no file."""
    found = []
    for key, path in files.items():
        why = "" if path is None else _hindrance(path)
        if why:
            found.append(Problem(None, None, f"{table}.{key}", f"'{path}' cannot be read: {why}", "name a readable PEM file"))
    return found


def _hindrance(path: str) -> str:
    if not path:
        return "the name is empty"
    try:
        regular_bytes(Path(path), _LARGEST)
    except Unreadable as why:
        return str(why)
    return ""
