"""Every bound, time and code has the number that is written down in bounds.toml: whoever changes one says so there, and nobody by accident."""

from __future__ import annotations

import importlib
import inspect
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest

HERE = Path(__file__).parent
BOUNDS: dict[str, dict[str, float]] = tomllib.loads((HERE / "bounds.toml").read_text(encoding="utf-8"))


def numbers_of(module: ModuleType) -> Iterator[tuple[str, float]]:
    """The constants of a module, and what its classes take where nobody says anything."""
    for name, value in vars(module).items():
        if name.isupper() and not name.startswith("_") and _is_number(value):
            yield name, value
        elif inspect.isclass(value) and value.__module__ == module.__name__ and attrs.has(value):
            for field in attrs.fields(value):
                if field.init and not field.name.startswith("_") and _is_number(field.default) and field.default > 0:
                    yield f"{name}.{field.name}", field.default


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and isinstance(value, int | float) and math.isfinite(value)


@pytest.mark.parametrize("file", BOUNDS)
def test_each_bound_is_what_was_decided(file: str) -> None:
    module = importlib.import_module("sluicegate." + file.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
    found = dict(numbers_of(module))

    assert {name: found.get(name) for name in BOUNDS[file]} == BOUNDS[file]
