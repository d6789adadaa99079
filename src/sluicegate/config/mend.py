"""Going on after the first mistakes, so that an operator is told everything at once and nothing twice.

Where a file does not fit the model, the misfits are replaced by something harmless; the rest can then be checked like any configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..policies.settings import needed
from .planned import Finding
from .problem import ENTRY, KeyPath, Problem, dotted

__all__ = ["AlreadyFound", "mend"]

_LONGEST = 4096
"""Characters of a path that are looked at."""


def mend(tree: dict[str, Any], findings: Iterable[Finding]) -> None:
    """Take out what does not fit, and put something in where a key is required or a list would be moved."""
    for finding in sorted(findings, key=lambda finding: len(finding.path)):
        path = finding.path
        place: Any = tree
        for step in path[:-1]:
            place = (
                place.get(step) if isinstance(place, dict) else place[step] if isinstance(place, list) and isinstance(step, int) else None
            )
        neutral = _neutral(path) if finding.nearest is None else finding.nearest
        if isinstance(place, dict) and path:
            place.pop(path[-1], None)
        if neutral is not None and isinstance(place, dict | list):
            place[path[-1]] = neutral  # type: ignore[index]  # a list's step is its position


def _neutral(path: KeyPath) -> Any:
    text = dotted(path)
    match path:
        case ("proxy",):
            return {"name": text}
        case ("backends", int()):
            return {"name": text, "transport": "inprocess"}
        case ("backends", int(), "transport"):
            return "inprocess"
        case (*_, "aliases", int()):
            return {"from": text, "to": f"{text}'"}
        case (*_, "tool_scopes", int()):
            return {"tools": [text], "scopes": [text]}
        case (*_, "tool_scopes", int(), str()):
            return [text]
        case (*_, int()) | (*_, "name" | "from" | "to" | "certificate" | "issuer" | "audience"):
            return text
        case (*_, str(table), str(key)):
            return needed(table, key)
    return None


class AlreadyFound:
    """What was found before the rules were applied to a mended configuration."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._paths = {(problem.file, problem.path) for problem in problems}
        entries = [(file, entry[0], path) for file, path in self._paths if (entry := ENTRY.match(path))]
        self._entries = {(file, entry) for file, entry, _ in entries}
        self._shapeless = {(file, entry) for file, entry, path in entries if path in {entry, f"{entry}.transport"}}

    def explains(self, problem: Problem) -> bool:
        """Whether a rule was broken only because of what is known already."""
        if any((problem.file, outer) in self._paths for outer in _around(problem.path)):
            return True
        entry = ENTRY.match(problem.path)
        if entry is None:
            return False
        key = (problem.file, entry[0])
        return key in self._shapeless or (key in self._entries and " requires " in problem.what)


def _around(path: str) -> Iterator[str]:
    """A key, and those that it is in; a problem of the whole file contains nothing."""
    if path:
        yield path
    for place, sign in enumerate(path[:_LONGEST]):
        if sign in ".[" and place:
            yield path[:place]
