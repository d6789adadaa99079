"""The text of a configuration as plain values, with the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from . import jsonc, toml_lines
from .depth import DEEP, MAX_DEPTH, too_deep
from .problem import KeyPath, Problem, dotted, line_of

__all__ = ["MAX_FILE", "Document", "Unreadable", "read", "text_of"]

MAX_FILE = 16 * 1024 * 1024
"""Bytes of a configuration; a longer file is not one, and may never end."""
_PLAINER = {"Cannot overwrite a value": "a key is given twice", "but found another document": "there is a second document"}
"""What the parsers say, in words for an operator."""


@attrs.frozen(repr=False)
class Document:
    """A parsed file; ``problems`` are those that the parser found."""

    name: str
    value: Any
    lines: Mapping[str, int]
    problems: tuple[Problem, ...] = ()


class Unreadable(Exception):
    """A file is no text that can be read; the message says why."""


def text_of(path: Path) -> str:
    """The text of a file, without a byte order mark; raises `Unreadable`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise Unreadable(f"it is over {MAX_FILE // 1024**2} MiB")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    except ValueError:  # also a path that holds a NUL character
        raise Unreadable("it is no UTF-8 text") from None


def read(text: str, format: str, name: str) -> Document:
    """Parse TOML, YAML, or JSON with comments."""
    return {"toml": _toml, "yaml": _yaml, "json": _json}[format](text, name)


def _toml(text: str, name: str) -> Document:
    if (line := toml_lines.line_of_long_key(text)) is not None:
        return _unreadable(name, "TOML", line, f"a key has over {MAX_DEPTH} parts")
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        what = re.sub(r" \(at .*\)$", "", str(error))
        last = text.count("\n") + 1
        return _unreadable(name, "TOML", int(at[1]) if at else last, what)
    except RecursionError:
        return _unreadable(name, "TOML", toml_lines.line_of_depth(text), DEEP)
    except ValueError as error:  # an integer of thousands of digits, an impossible date
        line = jsonc.line_of_long_number(text)
        return _unreadable(name, "TOML", line, str(error) if line is None else jsonc.LONG_NUMBER)
    return _not_too_deep(Document(name, value, toml_lines.lines(text)), "TOML")


def _json(text: str, name: str) -> Document:
    try:
        document = jsonc.read(text)
    except jsonc.BadJson as error:
        return _unreadable(name, "JSON", error.line, error.what)
    problems = tuple(_twice(name, path, line) for path, line in document.repeated)
    return Document(name, document.value, document.lines, problems)


def _yaml(text: str, name: str) -> Document:
    from . import yaml_nodes  # 25 ms that a TOML file need not wait for

    try:
        value, lines, repeated = yaml_nodes.read(text)
    except yaml_nodes.BadYaml as error:
        return _unreadable(name, "YAML", error.line, error.what)
    return _not_too_deep(Document(name, value, lines, tuple(_twice(name, path, line) for path, line in repeated)), "YAML")


def _not_too_deep(document: Document, language: str) -> Document:
    """The same, unless a key's dots or aliases make it deeper than what goes through it can go."""
    path = too_deep(document.value)
    if path is None:
        return document
    return _unreadable(document.name, language, line_of(dotted(path), document.lines), DEEP)


def _unreadable(name: str, language: str, line: int | None, what: str) -> Document:
    what = _PLAINER.get(what, what)
    problem = Problem(name, line, "", f"this is no valid {language}: {what}", "correct the syntax; the rest is checked after that")
    return Document(name, None, {}, (problem,))


def _twice(name: str, path: KeyPath, line: int) -> Problem:
    return Problem(name, line, dotted(path), "the key is given twice", "keep one of the two")
