"""Put one bug after the other into a copy of the source, and see that a test fails.

A bug is a patch in ``tests/mutants``. The lines before its ``---`` say what it is, and ``tests:`` which tests have to catch it: files, or
tests in them; the fewer, the sooner it is over::

    A permit is not given back when the call is cancelled.
    tests: tests/policies/test_breaker.py tests/policies/test_gate.py::test_a_probe_that_is_cut_leaves_no_trace

The tests pass without the bug, or nothing is proven; that is looked at first. The exit code is 1 if a bug survives, makes a test hang where
nothing ends it, does not apply any more, or stands in a file that does not say which tests. Who hangs on Trio fails: tests/conftest.py sees to it.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

import attrs

ROOT = Path(__file__).parent.parent
PATCHES = ROOT / "tests" / "mutants"
PATIENCE = 60
"""Seconds for the tests of one bug; whoever has to wait that long for a failure does not know what has failed."""
PATIENCE_FOR_ONE = 20
"""Seconds for a test."""
PATIENCE_FOR_ALL = 600
"""Seconds for all the tests together, which is looked at without any bug."""
AT_ONCE = 2
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::(\w+)", re.MULTILINE)


@attrs.frozen
class Mutant:
    """One bug."""

    name: str
    patch: Path
    what: str
    tests: tuple[str, ...]

    @classmethod
    def read(cls, patch: Path) -> Mutant:
        """From its file."""
        head = patch.read_text(encoding="utf-8").partition("\n--- ")[0]
        lines = [line for line in head.splitlines() if not line.startswith("diff ")]
        tests = [line.removeprefix("tests:").split() for line in lines if line.startswith("tests:")]
        what = " ".join(line for line in lines if line and not line.startswith("tests:"))
        return cls(patch.stem, patch, what, tuple(one for some in tests for one in some))


@attrs.frozen
class Outcome:
    """What became of a bug, or of the tests without one."""

    word: str
    caught: bool = False
    seconds: float = 0.0


@attrs.frozen
class Copy:
    """A copy of the source, sound whenever no bug is being tried in it."""

    folder: Path

    def tried(self, mutant: Mutant) -> Outcome:
        """Put the bug in, run the tests, and take it out again."""
        if not mutant.tests:
            return Outcome("its file does not say which tests")
        if said := self._apply(mutant.patch):
            return Outcome(f"does not apply: {said}")
        try:
            return self.tested(mutant.tests)
        finally:
            said = self._apply(mutant.patch, "--reverse")
            assert not said, said

    def tested(self, tests: Iterable[str], patience: int = PATIENCE) -> Outcome:
        """Run tests until one of them fails."""
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", f"--patience={PATIENCE_FOR_ONE}"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        environment = os.environ | {"PYTHONPATH": str(self.folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        began = time.monotonic()
        try:
            ran = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            return Outcome("HANGS", seconds=patience)
        seconds = time.monotonic() - began
        if ran.returncode == 0:
            return Outcome("SURVIVES", seconds=seconds)
        failed = FAILED.search(ran.stdout)
        if ran.returncode != 1 or failed is None:
            return Outcome(f"pytest did not run: {ran.stdout}{ran.stderr}")
        return Outcome(failed[1], caught=True, seconds=seconds)

    def _apply(self, patch: Path, *options: str) -> str:
        """What git has against a patch; empty if it was applied."""
        outside = os.environ | {"GIT_CEILING_DIRECTORIES": str(self.folder.parent)}  # within a repository it would look for other paths
        ran = subprocess.run(
            ["git", "apply", *options, str(patch)], cwd=self.folder, env=outside, capture_output=True, text=True, check=False
        )
        return ran.stderr.strip()


@contextmanager
def copied() -> Iterator[Copy]:
    """A copy of what the tests need."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        for part in ("src", "tests", "conf", "scripts"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "README.rst"):
            shutil.copy(ROOT / file, folder / file)
        # by what is in a file, not by its time: a bug comes and goes within a second
        compileall.compile_dir(folder / "src", quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        yield Copy(folder)


def main(words: list[str]) -> int:
    """Try them all."""
    mutants = [Mutant.read(patch) for patch in sorted(PATCHES.glob("*.patch")) if not words or any(word in patch.stem for word in words)]
    if not mutants:
        print("there is no such mutant")
        return 1
    left = 0
    with ExitStack() as stack:
        free = SimpleQueue[Copy]()
        for _ in range(AT_ONCE):
            free.put(stack.enter_context(copied()))

        def outcome_of(mutant: Mutant) -> Outcome:
            copy = free.get()
            try:
                return copy.tried(mutant)
            finally:
                free.put(copy)

        sound = all_pass(free, mutants)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for mutant, outcome in zip(mutants, pool.map(outcome_of, mutants), strict=True):
                said = f"caught by {outcome.word}" if outcome.caught else outcome.word
                print(f"{mutant.name}: {mutant.what}\n    {said} ({outcome.seconds:.1f} s)", flush=True)
                left += not outcome.caught
    print(f"\n{len(mutants) - left} of {len(mutants)} caught")
    return 0 if sound and not left else 1


def all_pass(free: SimpleQueue[Copy], mutants: Iterable[Mutant]) -> bool:
    """Whether all tests pass that have to catch something."""
    copy = free.get()
    outcome = copy.tested(sorted({test for mutant in mutants for test in mutant.tests}), PATIENCE_FOR_ALL)
    free.put(copy)
    if outcome.word == "SURVIVES":
        return True
    print(f"fails without any bug: {outcome.word}")
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
