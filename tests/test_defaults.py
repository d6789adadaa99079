"""Every default stands once: no part has a number of its own for what a file can set."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
from tests.kit.checkout import ROOT

from sluicegate.config.model import Config

SOURCE = ROOT / "src" / "sluicegate"
WHERE_THEY_STAND = ("config", "settings", "policies/settings.py")
PARTS = [path for path in sorted(SOURCE.rglob("*.py")) if not str(path.relative_to(SOURCE)).startswith(WHERE_THEY_STAND)]


def settable() -> dict[str, set[object]]:
    """By key, the defaults that it has in the tables of a file."""
    found: dict[str, set[object]] = {}
    tables: list[type[Any]] = [Config]
    for table in tables:
        for field in attrs.fields(attrs.resolve_types(table)):
            kinds = [kind for outer in (field.type, *get_args(field.type)) for kind in (outer, *get_args(outer))]
            tables += [kind for kind in kinds if attrs.has(kind) and kind not in tables]
            if says_something(field.default):
                found.setdefault(field.name, set()).add(field.default)
    return found


def says_something(value: object) -> bool:
    """Whether it is more than what many things begin with that have nothing to do with each other: nothing, a flag, an empty text."""
    return isinstance(value, int | float | str) and not isinstance(value, bool) and value != ""


def defaults(tree: ast.Module) -> Iterator[tuple[str, ast.expr, int]]:
    """Name, default and line of everything in a file that has one: fields of classes, and parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value is not None:
                    given = next((word.value for word in getattr(field.value, "keywords", ()) if word.arg == "default"), field.value)
                    yield field.target.id, given, field.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            plain = [*node.args.posonlyargs, *node.args.args]
            named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            pairs = [*zip(plain[len(plain) - len(node.args.defaults) :], node.args.defaults, strict=True), *named]
            yield from ((parameter.arg, default, node.lineno) for parameter, default in pairs if default is not None)


def doubled(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Name and line of each default that a file can set and that is written here once more, as such or by a constant of the same file."""
    constants: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = literal(node.value, {})
    for name, default, line in defaults(tree):
        value = literal(default, constants)
        if says_something(value) and value in KEYS.get(name, ()):
            yield name, line


def literal(expression: ast.expr, constants: Mapping[str, object]) -> object:
    """What a literal says, sums and products of such included; None for what is none."""
    try:
        return eval(compile(ast.Expression(expression), "", "eval"), {"__builtins__": {}}, dict(constants))
    except (AttributeError, NameError, TypeError):  # a name that stands elsewhere
        return None


KEYS = settable()


@pytest.mark.parametrize("path", PARTS, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_part_takes_the_defaults_of_its_settings(path: Path) -> None:
    assert list(doubled(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "@attrs.frozen\nclass Limits:\n    max_body_size: int = 4 * 1024 * 1024\n",
        "MIB = 1024 * 1024\n@attrs.frozen\nclass Limits:\n    max_body_size: int = 4 * MIB\n",
        "class Server:\n    idle_seconds: float = attrs.field(default=75.0, kw_only=True)\n",
        "class Server:\n    idle_seconds: float = attrs.field(default=75, kw_only=True)\n",
        "def build(*, max_tool_name: int = 64) -> None: ...\n",
        "async def call(seconds: float = 300) -> None: ...\n",
        "def build(page_size: int = 0) -> None: ...\n",
    ],
)
def test_one_that_has_its_own_would_be_found(text: str) -> None:
    assert len(list(doubled(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text",
    ["class Server:\n    idle_seconds: float = 74\n", "def build(*, max_tool_name: int = _AS_USUAL.max_tool_name) -> None: ...\n"],
)
def test_another_number_or_the_settings_themselves_are_no_second_place(text: str) -> None:
    assert list(doubled(ast.parse(text))) == []
