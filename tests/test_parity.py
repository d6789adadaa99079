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


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('"""RES-1, RES-3: words."""\n    assert True', ["RES-1", "RES-3"]),
        ("assert True  # RES-1: words", ["RES-1"]),
        ('"""RES-1: words."""\n    with pytest.raises(ValueError): x()', ["RES-1"]),
        ('"""RES-1: a test that asserts nothing."""', []),
        ('assert True, "RES-1"', []),
    ],
)
def test_a_test_asserts_a_row_if_it_names_it_and_checks_something(
    body: str, found: list[str], parity: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
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
