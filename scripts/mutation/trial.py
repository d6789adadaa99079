"""One bug is tried in a fork of this process, in which all that is not ours is loaded already; so a trial takes a second or two.

No file is changed: the one module with the bug is compiled from the changed text when a test imports it, and likewise in every Python that a
test starts, which hears of it from the ``sitecustomize`` module that it finds first.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import CodeType
from typing import TypeVar

import attrs
import pytest

__all__ = ["Trial", "Verdict", "at_once", "preload"]

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    *(
        "trio",
        "trio.testing",
        "msgspec",
        "attrs",
        "cattrs",
        "structlog",
        "click",
        "rich.console",
        "yaml",
        "httptools",
        "h11",
        "h2.connection",
    ),
    *(
        "hypercorn.trio",
        "hypercorn.protocol.h11",
        "hypercorn.protocol.h2",
        "httpx2",
        "hypothesis",
        "prometheus_client",
        "trustme",
        "pydantic",
    ),
    *("pytest_trio.plugin", "mcp", "mcp.client.session", "mcp.server.lowlevel", "anyio", "xdist", "_hypothesis_pytestplugin"),
)
PATIENCE_FOR_ONE = 20
"""Seconds for a test."""
PATIENCE = 60.0
"""Seconds for all of them, beside a multiple of what they usually take."""
USUAL_TIMES = 6
"""This machine may have other things to do."""
FOR_CHILDREN = """\
import importlib.machinery

_read = importlib.machinery.SourceFileLoader.get_code


def _get_code(loader, name):
    if loader.path == {path!r}:
        return compile({source!r}, loader.path, "exec", dont_inherit=True)
    return _read(loader, name)


importlib.machinery.SourceFileLoader.get_code = _get_code
"""
"""The module that a Python of a test loads before all others."""


@attrs.frozen
class Verdict:
    """What became of a bug."""

    word: str
    caught: bool


@attrs.frozen
class Trial:
    """A file with a bug, and the tests that may find it, in this order."""

    path: Path
    source: bytes
    tests: Sequence[str]
    """Those without ``::`` are whole files."""
    seconds: float
    """What these tests usually take."""

    def run(self, tell: Callable[[str], None], folder: Path) -> int:
        """Run the tests until one fails; in a process of its own, with an empty folder."""
        compile(self.source, str(self.path), "exec")
        (folder / "sitecustomize.py").write_text(FOR_CHILDREN.format(path=str(self.path), source=self.source), encoding="utf-8")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
        read = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
            if loader.path == str(self.path):
                return compile(self.source, loader.path, "exec", dont_inherit=True)
            return read(loader, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]  this process is for nothing else
        files = list(dict.fromkeys(test.partition("::")[0] for test in self.tests))
        options = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", f"--patience={PATIENCE_FOR_ONE}"]
        options += ["-o", f"faulthandler_timeout={PATIENCE_FOR_ONE + 5}"]  # for loops that never yield; pyproject.toml gives them longer
        options += ["--hypothesis-profile=ci"]  # the same examples each time, and no deadline that a busy machine misses
        options += ["--assert=plain"]  # else the module with the bug would be read by pytest's loader
        code = int(pytest.main([*options, *files], plugins=[_Chosen(self.tests, tell)]))
        if code == pytest.ExitCode.USAGE_ERROR:  # what pytest itself has to load may be what the bug is in
            importlib.import_module(".".join(self.path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__"))
        return code


class _Chosen:
    """Takes these tests and no others, and tells which one fails."""

    def __init__(self, tests: Iterable[str], tell: Callable[[str], None]) -> None:
        self.place = {test: place for place, test in enumerate(tests)}
        self.tell = tell

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """In their order."""
        chosen = [(place, item) for item in items if (place := self._place(item.nodeid)) is not None]
        items[:] = [item for _, item in sorted(chosen, key=lambda one: one[0])]

    def _place(self, test: str) -> int | None:
        return self.place.get(test, self.place.get(test.partition("::")[0]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first that fails is the last."""
        if report.failed:
            self.tell(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be loaded finds the bug as well."""
        if report.failed:
            self.tell(report.nodeid)


@attrs.define(eq=False)
class _Fork:
    pid: int
    answer: int
    """Where it writes."""
    over_at: float
    late: bool = False

    def is_over(self) -> int | None:
        """Its exit code, when it has ended; it is ended when its time is over."""
        if time.monotonic() > self.over_at and not self.late:
            self.late = True
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def verdict(self, code: int) -> Verdict:
        """What it found."""
        with os.fdopen(self.answer, "rb") as pipe:
            said = pipe.read().decode()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what its tests have started
        if self.late:
            return Verdict("HANGS", caught=False)
        if code == 0:
            return Verdict("SURVIVES", caught=False)
        if not said and code == pytest.ExitCode.TESTS_FAILED:  # nothing else leaves so without a word
            return Verdict("the alarm of pytest: a test does not come back to its loop", caught=True)
        if not said:
            return Verdict(f"pytest did not run ({code})", caught=False)
        return Verdict(json.loads(said.splitlines()[0]), caught=True)


def _forked(trial: Trial, folder: Path) -> _Fork:
    ours, theirs = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return _Fork(pid, ours, time.monotonic() + PATIENCE + USUAL_TIMES * trial.seconds)
    code = 70
    try:
        os.setpgid(0, 0)
        os.close(ours)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        code = trial.run(lambda test: os.write(theirs, json.dumps(test).encode() + b"\n") and None, folder)
    except BaseException as error:  # noqa: BLE001  the bug is in what has to be loaded first
        os.write(theirs, json.dumps(f"nothing loads: {error!r}").encode() + b"\n")
    finally:
        os._exit(code)


def at_once(trials: Iterable[tuple[T, Trial]], number: int) -> Iterator[tuple[T, Verdict]]:
    """Try them, so many at a time; in the order in which they are over."""
    waiting, running = iter(trials), dict[_Fork, T]()
    with TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        while True:
            while len(running) < number and (following := next(waiting, None)) is not None:
                running[_forked(following[1], Path(mkdtemp(dir=folder)))] = following[0]
            if not running:
                return
            time.sleep(0.02)
            for fork in list(running):
                if (code := fork.is_over()) is not None:
                    yield running.pop(fork), fork.verdict(code)


def preload() -> None:
    """Load what every test needs and no bug can be in."""
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    assert not any(name.partition(".")[0] == "sluicegate" for name in sys.modules), "the bug would not be loaded any more"
