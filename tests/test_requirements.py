"""Every id of a requirement that the source or a test names is a line of ``requirements.rst``, and every line is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.kit.checkout import ROOT

PAGE = ROOT / "src" / "sluicegate" / "requirements.rst"
LINES = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(":")]
DEFINED = [line.split(":")[1] for line in LINES]
FAMILIES = sorted({name.partition("-")[0] for name in DEFINED})
# P-256 and its like are curves
NUMBER = r"[A-Z]?\d+[a-e]?"
ID = re.compile(rf"\b(?!P-(?:256|384|521)\b)(?:{'|'.join(FAMILIES)})-{NUMBER}\b")
RANGE = re.compile(rf"\b({'|'.join(FAMILIES)})-(\d+) ?… ?(?:[A-Z]+-)?(\d+)\b")
LIKE_ONE = re.compile(r"\b[A-Z]{1,5}(?:0\d)?-[A-Z]?\d+[a-e]?\b")
NO_REQUIREMENTS = {"UTF", "SHA", "AES", "SSH", "SG"}
"""Encodings and algorithms; and the codes of our errors, which ``sluicegate explain`` knows."""

SOURCES = re.compile(
    r"own"
    r"|MCP 20\d\d-\d\d-\d\d, (?:basic|server|client)(?:/[a-z-]+)*"
    r"|MCP extension, [a-z]+|MCP security best practices"
    r"|RFC \d+, section [\d.]+"
    r"|JSON-RPC 2\.0, section [\d.]+"
)


def named() -> dict[str, str]:
    """All ids that are named, each with a file that does; of a range every one."""
    files = [path for top in ("src", "tests") for path in sorted((ROOT / top).rglob("*.py"))]
    return {one: str(path.relative_to(ROOT)) for path in files for one in ids(path.read_text(encoding="utf-8"))}


def ids(text: str) -> Iterator[str]:
    yield from ID.findall(text)
    for family, first, last in RANGE.findall(text):
        yield from (f"{family}-{number}" for number in range(int(first), int(last) + 1))


def test_every_id_that_is_named_is_told() -> None:
    assert {one: file for one, file in named().items() if one not in DEFINED} == {}


def test_what_looks_like_an_id_is_of_a_family_that_is_told() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    families = {one.partition("-")[0] for text in texts for one in LIKE_ONE.findall(text)}
    assert families - set(FAMILIES) - NO_REQUIREMENTS == set()


def test_every_line_is_named_by_somebody() -> None:
    assert set(DEFINED) - named().keys() == set()


def test_no_id_is_told_twice() -> None:
    assert sorted(DEFINED) == sorted(set(DEFINED))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split(":")[1])
def test_a_line_is_a_sentence_and_where_it_comes_from(line: str) -> None:
    found = re.fullmatch(r":\S+: (.+\.) \((.+)\)", line)
    assert found is not None
    assert SOURCES.fullmatch(found[2])
    assert len(found[1]) <= 140


def test_a_range_stands_for_all_in_it() -> None:
    assert list(ids("(RES-1 … RES-3, HC-4…6)")) == ["RES-1", "RES-3", "HC-4", "RES-1", "RES-2", "RES-3", "HC-4", "HC-5", "HC-6"]
