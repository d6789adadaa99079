"""The text of a configuration as plain values, with the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from . import jsonc, toml_lines
from .problem import KeyPath, Problem, dotted

if TYPE_CHECKING:
    import yaml

__all__ = ["Document", "Unreadable", "read", "text_of"]

MAX_FILE = 16 * 1024 * 1024
"""Bytes of a configuration; a longer file is not one, and may never end."""
MAX_YAML = 100_000
"""Values of a YAML document with its aliases written out; a few lines of aliases can make billions."""
_PLAINER = {"Cannot overwrite a value": "a key is given twice", "but found another document": "there is a second document"}
"""What the parsers say, in words for an operator."""


@attrs.frozen
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
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        what = re.sub(r" \(at .*\)$", "", str(error))
        last = text.count("\n") + 1
        return _unreadable(name, "TOML", int(line[1]) if line else last, what)
    except RecursionError:
        return _unreadable(name, "TOML", None, "it is nested too deeply")
    except ValueError as error:  # an integer of thousands of digits, an impossible date
        return _unreadable(name, "TOML", None, str(error))
    return Document(name, value, toml_lines.lines(text))


def _json(text: str, name: str) -> Document:
    try:
        document = jsonc.read(text)
    except jsonc.BadJson as error:
        return _unreadable(name, "JSON", error.line, error.what)
    problems = tuple(_twice(name, path, line) for path, line in document.repeated)
    return Document(name, document.value, document.lines, problems)


def _yaml(text: str, name: str) -> Document:
    import yaml  # 25 ms that a TOML file need not wait for

    lines: dict[str, int] = {}
    repeated: list[tuple[KeyPath, int]] = []
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            if _yaml_size(node, {}) > MAX_YAML:
                return _unreadable(name, "YAML", None, f"with its aliases written out it has over {MAX_YAML} values")
            _walk_yaml(node, (), lines, repeated, set())
        value = loader.construct_document(node) if node is not None else {}
    except _Circle as circle:
        return _unreadable(name, "YAML", circle.args[0], "an alias names what it stands in")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(name, "YAML", mark.line + 1 if mark else None, error.problem or error.context or "it cannot be read")
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:  # an unprintable character, an impossible date, an odd merge
        return _unreadable(name, "YAML", None, str(error).splitlines()[0])
    except RecursionError:
        return _unreadable(name, "YAML", None, "it is nested too deeply")
    return Document(name, value, lines, tuple(_twice(name, path, line) for path, line in repeated))


class _Circle(Exception):
    """A value that contains itself; the line where it begins."""


def _yaml_size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node is with every alias written out; raises `_Circle` where that never ends."""
    import yaml

    size = known.get(id(node), 0)
    if size is None:
        raise _Circle(node.start_mark.line + 1)
    if size == 0:
        known[id(node)] = None  # being counted
        if isinstance(node, yaml.MappingNode):
            size = 1 + sum(_yaml_size(key, known) + _yaml_size(item, known) for key, item in node.value)
        elif isinstance(node, yaml.SequenceNode):
            size = 1 + sum(_yaml_size(item, known) for item in node.value)
        else:
            size = 1
        known[id(node)] = size
    return size


def _walk_yaml(node: yaml.Node, path: KeyPath, lines: dict[str, int], repeated: list[tuple[KeyPath, int]], seen: set[int]) -> None:
    """Note the line of every key. A node that several aliases name is walked once."""
    import yaml

    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[dotted((*path, index))] = item.start_mark.line + 1
            _walk_yaml(item, (*path, index), lines, repeated, seen)
    elif isinstance(node, yaml.MappingNode):
        here: set[str] = set()
        for key, item in node.value:
            step = (*path, str(key.value))
            line = key.start_mark.line + 1
            if str(key.value) in here:
                repeated.append((step, line))
            here.add(str(key.value))
            lines[dotted(step)] = line
            _walk_yaml(item, step, lines, repeated, seen)


def _unreadable(name: str, language: str, line: int | None, what: str) -> Document:
    what = _PLAINER.get(what, what)
    problem = Problem(name, line, "", f"this is no valid {language}: {what}", "correct the syntax; the rest is checked after that")
    return Document(name, None, {}, (problem,))


def _twice(name: str, path: KeyPath, line: int) -> Problem:
    return Problem(name, line, dotted(path), "the key is given twice", "keep one of the two")
