"""Every bound, time and code has the number that is written down in bounds.toml: whoever changes one says so there, and nobody by accident.

One that is gone, or has moved, fails nothing; its row is to be taken out, or moved with it.
"""

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


@pytest.mark.parametrize("file", [file for file in BOUNDS if (HERE.parent / "src" / "sluicegate" / file).exists()])
def test_each_bound_is_what_was_decided(file: str) -> None:
    module = importlib.import_module("sluicegate." + file.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
    decided = BOUNDS[file]

    assert decided | {name: number for name, number in numbers_of(module) if name in decided} == decided
