"""The text of a configuration as plain values, with the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from . import jsonc, toml_lines
from .problem import KeyPath, Problem, dotted

if TYPE_CHECKING:
    import yaml

__all__ = ["Document", "read"]


@attrs.frozen
class Document:
    """A parsed file; ``problems`` are those that the parser found."""

    name: str
    value: Any
    lines: Mapping[str, int]
    problems: tuple[Problem, ...] = ()


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
            _walk_yaml(node, (), lines, repeated, set())
        value = loader.construct_document(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(name, "YAML", mark.line + 1 if mark else None, error.problem or error.context or "it cannot be read")
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:  # an unprintable character, an impossible date, an odd merge
        return _unreadable(name, "YAML", None, str(error).splitlines()[0])
    except RecursionError:
        return _unreadable(name, "YAML", None, "it is nested too deeply")
    return Document(name, value, lines, tuple(_twice(name, path, line) for path, line in repeated))


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
    problem = Problem(name, line, "", f"this is no valid {language}: {what}", "correct the syntax; the rest is checked after that")
    return Document(name, None, {}, (problem,))


def _twice(name: str, path: KeyPath, line: int) -> Problem:
    return Problem(name, line, dotted(path), "the key is given twice", "keep one of the two")
