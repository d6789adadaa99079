"""JSON as people write it by hand: with comments and trailing commas, and with the line of every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs

from .depth import DEEP, MAX_DEPTH
from .problem import KeyPath, dotted

__all__ = ["LONG_NUMBER", "BadJson", "Jsonc", "line_of_long_number", "read"]

LONG_NUMBER = "a number is too long"
"""Of thousands of digits, in any language."""

_MANY = 100
"""Keys that stand twice; nobody reads on after as many."""
# what is never closed goes on to the end, or every beginning of it would be tried
_TOKEN = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))|(?P<string>"(?:[^"\\]|\\.)*(?:"|\\?\Z))|(?P<mark>[{}\[\],:])|(?P<space>\s+)|(?P<other>[^\s{}\[\],:"/]+|.)',
    re.DOTALL,
)


class BadJson(Exception):
    """This is no JSON, comments and trailing commas forgiven."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


@attrs.frozen(repr=False)
class Jsonc:
    """A parsed text."""

    value: Any
    lines: dict[str, int]
    repeated: tuple[tuple[KeyPath, int], ...]
    """Keys that stand twice in one object, with the line of the second."""


def read(text: str) -> Jsonc:
    """Parse it; raises `BadJson` with the line in the original text."""
    text = text.removeprefix("\ufeff")
    if (deep := _line_of_depth(text)) is not None:
        raise BadJson(deep, DEEP)
    plain = _plain(text)
    try:
        value = json.loads(plain)
    except json.JSONDecodeError as error:
        raise BadJson(error.lineno, error.msg) from None
    except ValueError:  # an integer of thousands of digits
        raise BadJson(line_of_long_number(plain), LONG_NUMBER) from None
    lines: dict[str, int] = {}
    repeated: list[tuple[KeyPath, int]] = []
    for path, line in _keys(plain):
        key = dotted(path)
        if key in lines and len(repeated) < _MANY and not any(path[: len(outer)] == outer for outer, _ in repeated):
            repeated.append((path, line))
        lines[key] = line
    return Jsonc(value, lines, tuple(repeated))


def _line_of_depth(text: str) -> int | None:
    """The line on which a text is nested too deeply, if any is."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "mark":
            depth += token.group() in "{["
            depth -= token.group() in "}]"
            if depth > MAX_DEPTH:
                return text.count("\n", 0, token.start()) + 1
    return None


def line_of_long_number(text: str) -> int | None:
    """The line with a number that Python does not read, if there is any."""
    found = re.search(r"\d{1000}", text)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def _plain(text: str) -> str:
    """Blank out comments and trailing commas; every character keeps its place."""
    parts: list[str] = []
    comma: int | None = None
    before = ""
    for token in _TOKEN.finditer(text):
        part = token.group()
        if token.lastgroup == "comment" and (part.startswith("//") or part.endswith("*/", 2)):
            part = re.sub(r"[^\n]", " ", part)
        elif token.lastgroup != "space":
            if part in {"]", "}"} and comma is not None:
                parts[comma] = " "
            comma = len(parts) if part == "," and before not in {"", "[", "{", ",", ":"} else None
            before = part
        parts.append(part)
    return "".join(parts)


def _keys(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Every key and list entry of a valid text, with its line."""
    path: list[str | int] = []
    line, before = 1, ""
    for token in _TOKEN.finditer(text):
        part = token.group()
        if path and isinstance(path[-1], str) and token.lastgroup == "string" and before in {"{", ","}:
            path[-1] = str(json.loads(part))
            yield tuple(path), line
        if part in {"{", "["}:
            path.append("" if part == "{" else 0)
        elif part in {"}", "]"} and path:
            path.pop()
        elif part == "," and path and isinstance(path[-1], int):
            path[-1] += 1
        if token.lastgroup != "space":
            before = part
        line += part.count("\n")
