"""What is wrong with a configuration, in words that say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import attrs

__all__ = ["ENTRY", "ConfigError", "KeyPath", "Problem", "Provenance", "dotted", "line_of", "origin_of"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys and list positions from the top of the file."""

ENTRY = re.compile(r"backends\[(\d+)\]")
"""The beginning of a path that leads into a backend; its group is the position."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_MANY = 600
"""Characters of a path or a sentence."""
_LAST_STEP = re.compile(r'(?:\.?(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*")|\[\d+\])$')


def dotted(path: KeyPath) -> str:
    """A key path as an operator reads it: ``backends[1].timeout.seconds``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            quoted = step if _BARE.fullmatch(step) else '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{quoted}" if text else quoted
    return text


def line_of(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of a key, or of the nearest table around it that has one."""
    while path:
        if path in lines:
            return lines[path]
        shorter = _LAST_STEP.sub("", path)
        if shorter == path:
            return None
        path = shorter
    return None


def _shown(text: str) -> str:
    """A text that may hold a part of the file, as far as anybody reads it."""
    return text if len(text) <= _MANY else f"{text[: _MANY // 2]}…{text[-_MANY // 2 :]}"


@attrs.frozen
class Problem:
    """One thing that is wrong; its text is one line."""

    file: str | None
    """Where it stands, or None for a configuration written in Python."""
    line: int | None
    path: str
    """The key, dotted from the top of the file; empty if the file as a whole is meant."""
    what: str
    instead: str = ""
    """What to write instead."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        text = ": ".join(part for part in (place, _shown(self.path), _shown(self.what)) if part)
        text = f"{text}; {_shown(self.instead)}" if self.instead else text
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))


@attrs.frozen(repr=False)
class Provenance:
    """Where a backend stands that came out of another file."""

    file: str
    line: int | None
    path: str

    def place(self, problem: Problem) -> Problem:
        """The same problem, where that backend's file has it."""
        return attrs.evolve(problem, file=self.file, line=self.line, path=ENTRY.sub(lambda _: self.path, problem.path, count=1))


def origin_of(problem: Problem, origins: Mapping[int, Provenance]) -> Provenance | None:
    """Where the backend stands that a problem is about, if it came out of another file."""
    entry = ENTRY.match(problem.path)
    return None if entry is None else origins.get(int(entry[1]))


class ConfigError(Exception):
    """A configuration cannot be used; ``problems`` holds everything that was found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], files: frozenset[Path] = frozenset()) -> None:
        self.problems = tuple(problems)
        self.files = files
        """Those that were looked for: if one of them is another, it may be mended."""
        super().__init__("\n".join(map(str, self.problems)))
