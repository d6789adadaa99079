"""A YAML text as plain values, with the line of every key. It is looked at node by node, before anything is made of it.

A few lines of aliases can make billions of values, and levels without end; both are counted while the text is read.
"""

from __future__ import annotations

from typing import Any

import yaml

from .depth import DEEP, MAX_DEPTH
from .jsonc import LONG_NUMBER, line_of_long_number
from .problem import KeyPath, dotted

__all__ = ["MAX_VALUES", "BadYaml", "read"]

MAX_VALUES = 100_000
"""Values of a document with its aliases written out."""


class BadYaml(Exception):
    """This is no YAML that can be used."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


class _Loader(yaml.SafeLoader):
    """Stops where a text is nested too deeply or goes on for too long."""

    depth = 0
    count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH or self.count > MAX_VALUES:
            what = DEEP if self.depth > MAX_DEPTH else f"it has over {MAX_VALUES} values"
            raise BadYaml(self.peek_event().start_mark.line + 1, what)  # type: ignore[no-untyped-call]
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read(text: str) -> tuple[Any, dict[str, int], list[tuple[KeyPath, int]]]:
    """The value, the line of every key, and keys that are given twice; raises `BadYaml`."""
    lines: dict[str, int] = {}
    repeated: list[tuple[KeyPath, int]] = []
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return {}, lines, repeated
        if _size(node, {}) > MAX_VALUES:
            raise BadYaml(None, f"with its aliases written out it has over {MAX_VALUES} values")
        _walk(node, (), lines, repeated, set())
        return loader.construct_document(node), lines, repeated
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else None, error.problem or error.context or "it cannot be read") from None
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:  # an unprintable character, an impossible date, an odd merge
        line = line_of_long_number(text)
        raise BadYaml(line, str(error).splitlines()[0] if line is None else LONG_NUMBER) from None
    except RecursionError:  # by a chain of aliases
        raise BadYaml(None, DEEP) from None


def _size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node is with every alias written out; raises `BadYaml` where that never ends."""
    size = known.get(id(node), 0)
    if size is None:
        raise BadYaml(node.start_mark.line + 1, "an alias names what it stands in")
    if size == 0:
        known[id(node)] = None  # being counted
        if isinstance(node, yaml.MappingNode):
            size = 1 + sum(_size(key, known) + _size(item, known) for key, item in node.value)
        elif isinstance(node, yaml.SequenceNode):
            size = 1 + sum(_size(item, known) for item in node.value)
        else:
            size = 1
        known[id(node)] = size
    return size


def _walk(node: yaml.Node, path: KeyPath, lines: dict[str, int], repeated: list[tuple[KeyPath, int]], seen: set[int]) -> None:
    """Note the line of every key. A node that several aliases name is walked once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[dotted((*path, index))] = item.start_mark.line + 1
            _walk(item, (*path, index), lines, repeated, seen)
    elif isinstance(node, yaml.MappingNode):
        here: set[str] = set()
        for key, item in node.value:
            step = (*path, str(key.value))
            line = key.start_mark.line + 1
            if str(key.value) in here:
                repeated.append((step, line))
            here.add(str(key.value))
            lines[dotted(step)] = line
            _walk(item, step, lines, repeated, seen)
