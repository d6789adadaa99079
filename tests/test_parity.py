"""What is expected of the traffic policies, row by row, and the tests that assert it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PARITY = Path(__file__).parents[1] / "scripts" / "parity.py"


@pytest.fixture(scope="module")
def parity() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity", PARITY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_row_is_asserted_by_a_test_and_no_test_names_a_row_that_is_not_there(
    parity: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code = parity.main(["--missing"])
    assert code == 0, capsys.readouterr().out


def test_it_prints_every_row_with_its_tests(parity: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {one: words for chapter in parity.rows().values() for one, words in chapter.items()}
    assert [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")] == list(rows)
    assert lines[-1] == f"{len(rows)} of {len(rows)} rows are asserted"


KNOWN = 763


def test_all_that_there_are_are_known_and_each_stands_in_one_place(parity: ModuleType) -> None:
    known, tests = parity.Known.read(), parity.named()
    found = parity.states(known, tests)
    assert len(known.ids()) == len(set(known.ids()))
    assert len(found) == KNOWN
    assert {words for _, words in found.values() if not words} == set()
    decided = {*known.otherwise, *known.partly}
    assert {one for one, (state, _) in found.items() if state == "done"} == (tests.keys() | known.held.keys()) - decided
    assert {test for tests in known.held.values() for test in tests} <= {test for test, _ in parity.asserting()}
    assert {parity.ID.fullmatch(one) is None for one in found} == {False}


def test_it_prints_what_becomes_of_all_of_them(parity: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity.main([]) == 0
    out = capsys.readouterr().out
    found = parity.states(parity.Known.read(), parity.named())
    for state in ("decided otherwise", "partly", "missing", "not looked at"):
        assert f"\n{state}: {sum(its == state for its, _ in found.values())}\n" in out
    assert [one for one, (state, _) in found.items() if state != "done" and one not in out] == []
    assert f"of {KNOWN} that there are" in out


def test_a_test_wins_over_what_is_said_to_be_missing_but_not_over_a_decision(parity: ModuleType) -> None:
    known = parity.Known(
        {"RES-1": "so"}, {"RES-2": "but"}, {"RES-7": ["u", "v"]}, {"this": ["RES-3", "RES-4"]}, {"there": ["RES-5", "RES-6"]}
    )
    assert parity.states(known, {f"RES-{number}": ["t"] for number in (1, 2, 3, 5)}) == {
        "RES-1": ("decided otherwise", "so"),
        "RES-2": ("partly", "but"),
        "RES-3": ("done", "t"),
        "RES-4": ("missing", "this"),
        "RES-5": ("done", "t"),
        "RES-6": ("not looked at", "there"),
        "RES-7": ("done", "u"),
    }


def test_ranges_are_spelled_out(parity: ModuleType) -> None:
    assert [*parity._spelled(["FO-1", "RES-1 … RES-3"])] == ["FO-1", "RES-1", "RES-2", "RES-3"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('"""RES-1, RES-3: words."""\n    assert True', ["RES-1", "RES-3"]),
        ("assert True  # RES-1: words", ["RES-1"]),
        ('"""RES-1: words."""\n    with pytest.raises(ValueError): x()', ["RES-1"]),
        ('"""RES-1: a test that asserts nothing."""', []),
        ('assert True, "RES-1"', []),
        ("assert TABLE", ["RES-7"]),
    ],
)
def test_a_test_asserts_a_row_if_it_names_it_and_checks_something(
    body: str, found: list[str], parity: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_it.py").write_text(f"TABLE = [\n    1,  # RES-7: words\n]\n\n\ndef test_it():\n    {body}\n")
    monkeypatch.setattr(parity, "TESTS", tmp_path)
    assert list(parity.named()) == found


def test_a_row_without_a_test_and_a_test_without_a_row_are_told_and_fail(
    parity: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "requirements.rst"
    page.write_text(
        f"Another\n-------\n\n:P-2: no row. (own)\n\n{parity.PART}\nRetry\n~~~~~\n\n:RES-1: said. (own)\n:RES-2: not said. (own)\n"
    )
    monkeypatch.setattr(parity, "REQUIREMENTS", page)
    (tmp_path / "test_it.py").write_text('def test_it():\n    """RES-1, RES-3."""\n    assert True\n')
    monkeypatch.setattr(parity, "TESTS", tmp_path)
    assert parity.main([]) == 1
    out = capsys.readouterr().out
    assert "RES-2     not said.\n            MISSING" in out
    assert "RES-3     is named by test_it.py::test_it, and there is no such row" in out
    assert out.endswith("1 of 2 rows are asserted; missing: RES-2\n")
