"""The line of every key of a TOML text; tomllib has read it already, so it is known to be valid.

Keys inside an inline table take the line of the key that holds it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from .depth import MAX_DEPTH
from .problem import KeyPath, dotted

__all__ = ["line_of_depth", "line_of_long_key", "lines"]

# what is never closed goes on to the end, or every beginning of it would be tried
_STRING = r'"""(?:[^\\]|\\.)*?(?:"{3,5}|\\?\Z)|\'\'\'.*?(?:\'{3,5}|\Z)|"(?:[^"\\\n]|\\.)*(?:"|(?=\n)|\\?\Z)|\'[^\'\n]*(?:\'|(?=\n)|\Z)'
_TOKEN = re.compile(
    rf"(?P<comment>\#[^\n]*)|(?P<string>{_STRING})|(?P<open>[\[{{])|(?P<close>[\]}}])|(?P<newline>\n)|(?P<equals>=)|[^\#\"'\[\]{{}}\n=]+",
    re.DOTALL,
)
_KEY = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?m)(?:^|[\[{{,])[ \t]*+{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{{MAX_DEPTH},}}+")
_STEP = re.compile(r"\s*(?:([A-Za-z0-9_-]+)|(\"(?:[^\"\\]|\\.)*\"|'[^']*'))\s*(?:\.|$)")


def lines(text: str) -> dict[str, int]:
    """Map dotted key paths to lines, counted from 1."""
    found: dict[str, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement in _statements(text.replace("\r\n", "\n")):
        if statement.startswith("[["):
            table = _placed(_steps(statement[2:-2]), counts, opens=True)
            found.setdefault(dotted(table[:-1]), line)
            found[dotted(table)] = line
        elif statement.startswith("["):
            table = _placed(_steps(statement[1:-1]), counts, opens=False)
            found[dotted(table)] = line
        else:
            key = (*table, *_steps(statement))
            found[dotted(key)] = line
    return found


def line_of_long_key(text: str) -> int | None:
    """The line of a key of so many parts that it is nested too deeply; the parser takes the square of their number."""
    found = _LONG_KEY.search(text)
    return None if found is None else text.count("\n", 0, found.end()) + 1


def line_of_depth(text: str) -> int | None:
    """The line on which values are nested too deeply, if they are anywhere."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if depth > MAX_DEPTH:
            return text.count("\n", 0, token.start()) + 1
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header, and the key of each assignment, with its line."""
    line, start, depth, head, key = 1, 1, 0, "", True
    for token in _TOKEN.finditer(text):
        part = token.group()
        if token.lastgroup == "newline" and depth == 0:
            if head.strip():
                yield start, head.strip()
            head, key = "", True
        elif key and token.lastgroup == "equals":
            key = False
        elif token.lastgroup != "comment" and key:
            start = start if head.strip() else line
            head += part
        if not key or head.lstrip().startswith("["):
            depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        line += part.count("\n")
    if head.strip():
        yield start, head.strip()


def _steps(key: str) -> tuple[str, ...]:
    return tuple(bare or tomllib.loads(f"k = {quoted}")["k"] for bare, quoted in _STEP.findall(key.strip()))


def _placed(steps: tuple[str, ...], counts: dict[KeyPath, int], *, opens: bool) -> KeyPath:
    """A header's keys with the positions of the arrays of tables they pass through."""
    path: KeyPath = ()
    for position, step in enumerate(steps):
        path = (*path, step)
        if opens and position == len(steps) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
