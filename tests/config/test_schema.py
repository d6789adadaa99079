"""The schema for editors; that it lets through what loads and refuses what does not fit is held beside every test of this folder."""

from __future__ import annotations

import importlib
import linecache
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.kit.checkout import ROOT

from sluicegate.config.schema import schema
from sluicegate.config.sentences import purpose_of, sentences_of
from sluicegate.policies.settings import TABLES

SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
HEAD = "[proxy]\nname = 'p'\n"
BACKEND = "[[backends]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\n"


def messages(text: str) -> list[tuple[str, str]]:
    """Where a file is wrong, and why, as an editor shows it."""
    return [(error.json_path, error.message) for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_it_is_a_schema_of_the_draft_that_it_names() -> None:
    assert SCHEMA["$schema"] == VALIDATOR.META_SCHEMA["$id"]
    VALIDATOR.check_schema(SCHEMA)


def test_every_key_has_a_sentence_or_is_a_table_that_has_one() -> None:
    tables: list[dict[str, Any]] = [SCHEMA, *SCHEMA["$defs"].values()]

    silent = [key for table in tables for key, value in table["properties"].items() if not value.get("description") and "$ref" not in value]

    assert silent == []
    assert all(table["description"] for table in tables)


PAGES = [ROOT / "README.rst", *sorted((ROOT / "src" / "sluicegate" / "help").glob("*.rst"))]
BLOCKS = [block for page in PAGES for block in re.findall(r"\.\. code-block:: toml\n\n((?:   .*\n|\n)+)", page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_configurations_of_the_manual_are_let_through(block: str) -> None:
    text = re.sub(r"(?m)^   ", "", block)
    if "[[fault" not in text:  # a plan of faults is no configuration
        assert messages(text if "[proxy" in text else HEAD + text) == []


def test_it_says_at_the_very_key_what_is_wrong() -> None:
    text = HEAD + BACKEND + "retry = { max_retries = -1, only = 3 }\nrate_limit = { burst = 2 }\nconcurency = {}\nrequired = 'yes'\n"

    found = messages(text)

    assert ("$.backends[0].retry.max_retries", "-1 is less than the minimum of 0") in found
    assert ("$.backends[0].rate_limit", "'requests' is a required property") in found
    assert ("$.backends[0]", "Additional properties are not allowed ('concurency' was unexpected)") in found
    assert {path for path, _ in found} == {
        "$.backends[0]",
        "$.backends[0].rate_limit",
        "$.backends[0].required",
        "$.backends[0].retry.max_retries",
        "$.backends[0].retry.only",
    }


def test_a_number_may_come_out_of_a_variable() -> None:
    assert messages(HEAD + BACKEND + "rate_limit = { requests = '${RATE:-5}' }\nenabled = '${ON}'\n") == []


def test_it_has_the_defaults_and_ranges_of_the_settings() -> None:
    breaker = SCHEMA["$defs"]["Breaker"]["properties"]

    assert breaker["failure_rate_threshold"]["default"] == TABLES["circuit_breaker"]().failure_rate_threshold  # type: ignore[attr-defined]
    assert {"exclusiveMinimum": 0, "maximum": 1}.items() <= breaker["failure_rate_threshold"].items()
    assert "default" not in breaker["window_calls"]


def test_what_it_says_of_a_key_is_the_first_paragraph_below_it_without_marks() -> None:
    assert sentences_of(TABLES["hedging"])["max_hedges"] == "Copies."
    assert purpose_of(TABLES["concurrency"]) == "So many calls at a time."
    assert SCHEMA["$defs"]["Backend"]["properties"]["args"]["description"] == "Its arguments."


def test_where_the_source_is_not_there_the_keys_are_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that was packed without it."""
    file = tmp_path / "sourceless.py"
    file.write_text("import attrs\n\n\n@attrs.frozen\nclass Sourceless:\n    key: int = 3\n    'Something.'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    kind = importlib.import_module("sourceless").Sourceless
    assert sentences_of(kind) == {"key": "Something."}

    file.unlink()
    linecache.clearcache()

    assert sentences_of(kind) == {}
