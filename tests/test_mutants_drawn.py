"""What bugs are drawn from: the changes that ``scripts/mutants --generated`` makes of a source."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.kit.checkout import ROOT


@pytest.fixture(scope="module")
def operators() -> Iterator[ModuleType]:
    yield from loaded("operators")


@pytest.fixture(scope="module")
def trial() -> Iterator[ModuleType]:
    yield from loaded("trial")


def loaded(name: str) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(f"mutation_{name}", ROOT / "scripts" / "mutation" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("x = a < b <= c", {"x = (a <= b <= c)", "x = (a < b < c)"}),
        ("x = a is not b", {"x = (a is b)"}),
        ("x = a and b or c", {"x = ((a and b) and (c))", "x = ((a) or (b)) or c"}),
        ("x = not a", {"x = bool(a)"}),
        ("x = 8 // n", {"x = (8 * n)", "x = (8 + 1) // n"}),
        ('x = "a" + b', set()),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("self.n += 1", {"pass", "self.n -= 1", "self.n += (1 + 1)"}),
        ("self.n = n", {"pass"}),
        ("n = m", set()),
        ("f(x)", {"pass"}),
        ("log.debug('x', n=1)", set()),
        ("del self.x[k]", {"pass"}),
        ("del x", set()),
        ("x = a if b else c", {"x = a if not (b) else c"}),
        ("assert a < 1", set()),
        ("x: Annotated[int, 3] = f()", set()),
        ("x = attrs.field(init=False, repr=False)", {"x = attrs.field(init=False, repr=True)"}),
        ("if TYPE_CHECKING:\n    f()", set()),
        ("for a in b:\n    break", {"for a in b:\n    continue"}),
        ("def f() -> bool:\n    return True", {"def f() -> bool:\n    return False"}),
        ("def f() -> None:\n    return", {"def f() -> None:\n    pass"}),
        (
            "def f(a: int = 3) -> int:\n    return a",
            {"def f(a: int = (3 + 1)) -> int:\n    return a", "def f(a: int = 3) -> int:\n    return None"},
        ),
        ("def f() -> None:\n    raise E", {"def f() -> None:\n    pass"}),
    ],
)
def test_a_line_can_become(operators: ModuleType, line: str, becomes: set[str]) -> None:
    source = line.encode()

    assert {change.applied(source).decode() for change in operators.changes(source)} == becomes


def test_every_change_of_the_source_is_python_and_is_one(operators: ModuleType) -> None:
    path = ROOT / "src" / "sluicegate" / "http1" / "timekeeper.py"
    source = path.read_bytes()
    changed = [change.applied(source) for change in operators.changes(source)]

    assert len(changed) > 30
    assert source not in changed
    assert len(set(changed)) == len(changed)
    for text in changed:
        ast.parse(text)


@pytest.mark.parametrize(
    ("text", "is_one"), [("x = 1", True), ("with a as b:", False), ("for a in b:\n    pass\nbreak", False), ("x = 1\0", False)]
)
def test_what_nobody_can_load_is_not_drawn(operators: ModuleType, text: str, is_one: bool) -> None:
    assert operators.is_python(text.encode()) is is_one


def test_a_python_that_a_test_starts_has_the_bug_too(trial: ModuleType, tmp_path: Path) -> None:
    good = tmp_path / "good.py"
    good.write_text("word = 'sound'")
    (tmp_path / "sitecustomize.py").write_text(trial.FOR_CHILDREN.format(path=str(good), source="word = 'a “bug”'".encode()))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONUTF8": "1"}
    ran = subprocess.run([sys.executable, "-c", "import good; print(good.word)"], env=environment, capture_output=True, check=True)
    assert ran.stdout.decode().strip() == "a “bug”"


def test_what_is_called_equivalent_can_still_be_made_and_has_a_reason(operators: ModuleType) -> None:
    named = tomllib.loads((ROOT / "tests" / "mutants" / "equivalent.toml").read_text(encoding="utf-8"))["equivalent"]

    assert [one for one in named if one.keys() != {"file", "line", "becomes", "why"} or not one["why"]] == []
    for one in named:
        source = (ROOT / "src" / "sluicegate" / one["file"]).read_bytes()
        made = {line.strip() for change in operators.changes(source) for line in change.applied(source).decode().splitlines()}
        assert one["line"] in {line.strip() for line in source.decode().splitlines()}
        assert one["becomes"] in made


ENDLESS = """
import pathlib, sys
sys.path.insert(0, {root!r})
from scripts.mutation import trial
trial.PATIENCE_FOR_ONE = -4
((_, verdict),) = trial.at_once([(None, trial.Trial(pathlib.Path("x.py"), b"", ["test_it.py"], 0.0))], 1)
print(verdict.caught, verdict.word)
"""


def test_a_bug_that_makes_a_loop_without_end_is_caught_by_the_alarm(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it() -> None:\n    while True:\n        pass\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfaulthandler_exit_on_timeout = true\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--patience')\n", encoding="utf-8")
    ran = subprocess.run([sys.executable, "-c", ENDLESS.format(root=str(ROOT))], cwd=tmp_path, capture_output=True, check=True)
    assert ran.stdout.decode().startswith("True the alarm")
