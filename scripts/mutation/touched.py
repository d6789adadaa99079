"""Which tests run through which line, found out once: a plugin of pytest that writes it down, and what reads it.

Sources change after that. A line that was not there then is taken for its neighbours, so a map grows stale slowly; ``--map`` makes it anew.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable
from difflib import SequenceMatcher
from hashlib import sha256
from itertools import chain
from pathlib import Path

import attrs
import coverage
import pytest
from coverage.numbits import numbits_to_nums

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "sluicegate"
CACHE = ROOT / ".cache" / "mutants"
TESTS = ("http1", "protocol", "routing", "channel", "outside", "backends", "frontends", "gateway", "cli", "observe", "flows")
REAL = (
    *("process/test_stdio_backend.py", "process/test_child_groups.py", "process/test_outside.py", "process/test_listening.py"),
    *("process/test_http1_client.py", "process/test_http1_server.py"),
)
"""Folders of the rooms that bugs are drawn from, and of whole gateways; and files whose outside is real, but whose gateway is in the same process.
What only a random world would notice should be noticed elsewhere."""
FOLDER = "SLUICEGATE_MUTANTS_MAP"
"""The variable that tells the plugin where to write."""
STAMP = "SLUICEGATE_MUTANTS_STAMP"
"""The one that keeps apart what later runs add."""


class Recorder:
    """Coverage with a context for each test."""

    def __init__(self, folder: Path) -> None:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main") + "." + os.environ.get(STAMP, "")
        self.coverage = coverage.Coverage(
            data_file=str(folder / f"lines.{worker}"), source=[str(SOURCE)], config_file=False, messages=False
        )
        self.seconds: dict[str, float] = {}
        self.path = folder / f"seconds.{worker}.json"
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """What runs now belongs to this test."""
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """How long it took."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        """Write it all down."""
        self.coverage.stop()
        self.coverage.save()
        self.path.write_text(json.dumps(self.seconds), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Record, where something runs and somebody asked for it."""
    if FOLDER in os.environ and not config.getoption("numprocesses", None):
        config.pluginmanager.register(Recorder(Path(os.environ[FOLDER])), "mutants-recorder")


@attrs.frozen
class Touch:
    """A test that runs through a line."""

    test: str
    seconds: float
    lines: int
    """So many in all; the fewer, the more it is about this one."""


@attrs.define
class Touched:
    """The map, of one moment, and of later ones for the tests that are new or other than they were then: each has its own source beside it."""

    folder: Path
    seconds: dict[str, float] = attrs.field(init=False)
    _widths: dict[str, int] = attrs.field(init=False)
    _files: dict[str, dict[int, list[str]]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.seconds = {}
        for path in self.folder.glob("seconds.*.json"):
            self.seconds.update(json.loads(path.read_text(encoding="utf-8")))
        self._widths = defaultdict(int)
        for _, connection in self._connections():
            for context, bits in connection.execute("select c.context, l.numbits from line_bits l join context c on c.id = l.context_id"):
                self._widths[context] += int.from_bytes(bits, "little").bit_count()

    def _connections(self) -> Iterable[tuple[Path, sqlite3.Connection]]:
        """Each with the source that its lines are those of."""
        for path in sorted(self.folder.glob("lines.*")):
            connection = sqlite3.connect(path)
            yield self.folder / f"src.{path.suffix[1:]}", connection
            connection.close()

    def of(self, path: Path, line: int, function: range | None) -> list[Touch]:
        """The tests that run through a line, or where none does, through its function; the most special ones first.

        What stands outside of functions is run when a test happens to be the first that imports it; so there it is all tests of the file, and
        where a file has no functions all tests, those of its room first.
        """
        lines = self._file(path)
        around = [lines[number] for number in function or () if number in lines]
        close = () if function is None else (lines.get(line, ()), chain(*around))
        every = self.seconds if function is None else ()
        tests = next((tests for some in (*close, chain(*lines.values()), every) if (tests := set(some) - {""})), set[str]())
        room = path.relative_to(SOURCE).parts[0]
        found = [
            Touch(test, self.seconds.get(test, 0.05), self._widths[test]) for test in tests if (ROOT / test.partition("::")[0]).exists()
        ]
        return sorted(found, key=lambda touch: (f"tests/{room}/" not in touch.test, touch.lines * (0.05 + touch.seconds), touch.test))

    def _file(self, path: Path) -> dict[int, list[str]]:
        """The tests that run through each line of today; under 0 those that ran through lines which are gone."""
        name = str(path.relative_to(SOURCE))
        if name not in self._files:
            lines: dict[int, list[str]] = defaultdict(list)
            query = (
                "select c.context, l.numbits from line_bits l join context c on c.id = l.context_id join file f on f.id = l.file_id "
                "where f.path like ?"
            )
            now = path.read_text(encoding="utf-8").splitlines()
            for source, connection in self._connections():
                then = source / name
                today = defaultdict[int, list[int]](list)
                for number, before in _moved(then.read_text(encoding="utf-8").splitlines() if then.exists() else [], now).items():
                    today[before].append(number)
                for context, bits in connection.execute(query, (f"%/src/sluicegate/{name}",)):
                    for number in chain(*(today.get(before, [0]) for before in numbits_to_nums(bits))):
                        lines[number].append(context)
            self._files[name] = lines
        return self._files[name]


def _moved(then: list[str], now: list[str]) -> dict[int, int]:
    """From lines of today to those of the day of the map."""
    place: dict[int, int] = {}
    for kind, first, last, begin, end in SequenceMatcher(None, then, now, autojunk=False).get_opcodes():
        for number in range(begin, end):
            offset = number - begin if kind == "equal" else min(number - begin, max(last - first - 1, 0))
            place[number + 1] = first + offset + 1
    return place


def draw_map(*, anew: bool, processes: int) -> Touched:
    """The map, made anew or brought up to date: test files that are new or other than they were are run once."""
    folder = CACHE / "map"
    if anew or not (folder / "src.0").exists():
        shutil.rmtree(folder, ignore_errors=True)
    known = folder / "tests.json"
    before = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    files = [path for room in TESTS for path in (ROOT / "tests" / room).rglob("test_*.py")] + [ROOT / "tests" / name for name in REAL]
    now = {str(path.relative_to(ROOT)): sha256(path.read_bytes()).hexdigest() for path in files}
    unknown = [name for name in sorted(now) if before.get(name) != now[name]]
    if unknown:
        print(
            f"finding out which lines {len(unknown)} test files run through; once, and where all are new it takes some minutes", flush=True
        )
        options = ["-q", "-p", "no:cacheprovider", "-p", "scripts.mutation.touched", "-n", str(processes), "--tb=no"]
        stamp = str(len(list(folder.glob("src.*"))))
        shutil.copytree(SOURCE, folder / f"src.{stamp}", ignore=shutil.ignore_patterns("__pycache__"))
        environment = os.environ | {FOLDER: str(folder), STAMP: stamp}
        subprocess.run([sys.executable, "-m", "pytest", *options, *unknown], cwd=ROOT, env=environment, check=False)
        known.write_text(json.dumps(now), encoding="utf-8")
    return Touched(folder)
