"""Whatever a test here makes of a file is held against the schema, too: what loads it lets through, and what does not fit it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import jsonschema
import pytest

from sluicegate.config import load
from sluicegate.config.model import Config
from sluicegate.config.planned import Finding, take
from sluicegate.config.schema import schema
from sluicegate.config.structure import Rejected, structure

VALIDATOR = jsonschema.Draft202012Validator(schema())
BEYOND_IT = ("NUL character", "the number is too large", "a whole number is expected", "a number stands where a text")
"""What no schema can say: it knows no NUL, no bounds of ours, takes 3.0 for a whole number, and a key of YAML that is a number for a text."""


@attrs.define
class Beside:
    """Stands in the loader's place where it asks for the tree of a file, and for what that is as a configuration."""

    tree: dict[str, Any] | None = None
    """The tree of a file, before variables were put in; None where it is not to be compared: it was mended, or has mistakes in plans."""

    def take(self, tree: dict[str, Any]) -> tuple[dict[str, Any], list[Finding], list[Finding]]:
        left, planned, wrong = take(tree)
        self.tree = None if wrong else tree
        return left, planned, wrong

    def structure(self, tree: Mapping[str, Any]) -> Config:
        file, self.tree = self.tree, None
        try:
            config = structure(tree)
        except Rejected as error:
            told = [found.what for found in error.findings]
            if file is not None and tree == take(file)[0] and not any(word in what for what in told for word in BEYOND_IT):
                assert not VALIDATOR.is_valid(file), told
            raise
        if file is not None and not any(backend.transport == "inprocess" for backend in config.backends):
            assert [error.message for error in VALIDATOR.iter_errors(file)] == []
        return config


@pytest.fixture(autouse=True)
def _the_schema_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Beside()
    monkeypatch.setattr(load, "take", beside.take)
    monkeypatch.setattr(load, "structure", beside.structure)
