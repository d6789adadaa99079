"""Whether the files that a table names can be read."""

from __future__ import annotations

from pathlib import Path

from .problem import Problem

__all__ = ["unreadable_files"]


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
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        return error.strerror or "it is no file"
    except ValueError:
        return "impossible name"
    return ""
