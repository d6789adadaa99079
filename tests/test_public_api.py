"""What the package offers: each name is listed once, in a stub, and leads to what it says."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import sluicegate
import sluicegate.policies
import sluicegate.testing
from sluicegate import Gateway
from sluicegate.gateway.handles import Policies
from sluicegate.routing.catalogue import Catalogue

SOURCE = Path(sluicegate.__file__).parent
PACKAGES = (sluicegate, sluicegate.testing)


def listed(package: ModuleType) -> list[tuple[str, str]]:
    """The names in a stub, each with the module below its package that it comes from."""
    tree = ast.parse(Path(str(package.__file__)).with_suffix(".pyi").read_text(encoding="utf-8"))
    assert all(isinstance(node, ast.ImportFrom) for node in tree.body)
    return [(alias.name, str(node.module)) for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_every_public_name_is_listed_once_and_leads_to_what_it_says(package: ModuleType) -> None:
    names = listed(package)
    assert sorted(name for name, _ in names) == vars(package)["__all__"] == dir(package)
    for name, home in names:
        assert getattr(package, name) is getattr(importlib.import_module(f"{package.__name__}.{home}"), name)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_what_is_not_there_is_said_to_be_missing(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="Gatewax"):
        _ = package.Gatewax


def test_no_name_is_offered_by_both_packages() -> None:
    assert set(dir(sluicegate)) & set(dir(sluicegate.testing)) == set()


def test_all_policies_are_public_with_their_settings() -> None:
    """A policy is an object that is called with a call and has another one inside."""
    modules = [importlib.import_module(f"sluicegate.policies.{info.name}") for info in pkgutil.iter_modules(sluicegate.policies.__path__)]
    own = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
    policies = {
        kind.__name__ for kind in own if attrs.has(kind) and "inner" in attrs.fields_dict(kind) and not kind.__name__.startswith("_")
    }
    settings = {kind.__name__ for kind in own if kind.__name__.endswith("Settings")}
    assert (len(policies) > 10, len(settings) > 5) == (True, True)
    assert (policies | settings) - set(dir(sluicegate)) == set()


def test_what_a_gateway_holds_out_is_public() -> None:
    assert (sluicegate.Catalogue, sluicegate.Policies) == (Catalogue, Policies)
    handles = {
        name
        for field in Policies.__attrs_attrs__
        if field.name[0] != "_"
        for name in re.findall(r"[A-Z]\w+", str(field.type))
        if name != "None"
    }
    assert handles - set(dir(sluicegate)) == set()


def test_a_gateway_shows_only_what_is_documented() -> None:
    manual = (SOURCE / "help" / "embedding.rst").read_text(encoding="utf-8")
    shown = {name for name in dir(Gateway) if not name.startswith("_")} | {
        field.name for field in Gateway.__attrs_attrs__ if not field.name.startswith("_")
    }
    assert {name for name in shown if not re.search(rf"\b{name}\b", manual)} == set()
