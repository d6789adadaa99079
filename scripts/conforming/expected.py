"""What is known to fail where client and backend are of different eras: a file for each of the two mixes, and each entry of it has to fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from .suite import Check, Result

__all__ = ["but_for_expected"]

_FILES = {"2026-07-28": "newest-clients.yml"}
_FOLDER = Path(__file__).with_name("expected")


def but_for_expected(worse: list[Check], result: Result, revision: str) -> Iterator[Check]:
    """Those that are in no file, and what is in one though it does not fail; of a whole run of the suite at that revision."""
    entries = yaml.safe_load((_FOLDER / _FILES.get(revision, "earlier-clients.yml")).read_text(encoding="utf-8"))["server"]
    expected = {tuple(entry.split(":")) for entry in entries}
    yield from (check for check in worse if (check.scenario, check.name) not in expected)
    failed = {(check.scenario, check.name) for check in result.failures}
    for scenario, name in sorted(expected - failed):
        if any(check.scenario == scenario for check in result.checks):
            yield Check(scenario, name, "FAILURE", "it is expected to fail, and does not: take it out of the file")
