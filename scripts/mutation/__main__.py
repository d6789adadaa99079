"""Draw bugs by seed, try each with the tests that run through its line, and print those that no test finds."""

from __future__ import annotations

import argparse
import difflib
import os
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import attrs

from .operators import Change, changes, is_python
from .touched import ROOT, SOURCE, Touched, draw_map
from .trial import Trial, Verdict, at_once, preload

ROOMS = ("http1", "hypercorn", "tls", "backends", "channel", "frontends", "bridge", "routing", "protocol", "outside", "cli")
EQUIVALENT = ROOT / "tests" / "mutants" / "equivalent.toml"
MOST_TESTS = 4000
MOST_SECONDS = 30.0
"""Of tests that are run for one bug."""
WITH_CHILDREN = {
    "cli": (
        *(("tests/cli/test_descriptors.py", 1.0), ("tests/cli/test_memory.py", 3.0)),
        *(("tests/process/test_cli_ask.py", 20.0), ("tests/process/test_cli_run.py", 20.0)),
    )
}
"""Test files that run a room as a program, or in a fork, which the map does not see, and about how many seconds they take; for what no other
test finds."""
GOAL = 10.0
"""Percent of the bugs that may survive."""


@attrs.frozen
class Bug:
    """One that was drawn."""

    path: Path
    change: Change

    @property
    def name(self) -> str:
        """File and kind."""
        return f"{self.path.relative_to(SOURCE)}: {self.change.what}"

    @property
    def room(self) -> str:
        """Where it is."""
        return self.path.relative_to(SOURCE).parts[0]

    def source(self) -> bytes:
        """The file with the bug."""
        return self.change.applied(self.path.read_bytes())

    def lines(self) -> tuple[list[str], list[str]]:
        """What it takes away and what it puts in its place, without the blanks around."""
        before, after = self.path.read_text(encoding="utf-8").splitlines(), self.source().decode().splitlines()
        differ = [line for line in difflib.unified_diff(before, after, n=0, lineterm="") if line[:3] not in ("---", "+++")]
        return [line[1:].strip() for line in differ if line[0] == "-"], [line[1:].strip() for line in differ if line[0] == "+"]

    def diff(self) -> str:
        """For people."""
        before, after = self.path.read_text(encoding="utf-8").splitlines(), self.source().decode().splitlines()
        name = str(self.path.relative_to(ROOT))
        return "\n".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=1, lineterm=""))


def every_bug(rooms: tuple[str, ...]) -> Iterator[Bug]:
    """All that can be made, in a stable order."""
    for room in rooms:
        for path in sorted((SOURCE / room).rglob("*.py")):
            yield from (Bug(path, change) for change in changes(path.read_bytes()))


def equivalents() -> set[tuple[str, str, str]]:
    """Changes that are no bugs: file, line, and what it becomes."""
    named = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", []) if EQUIVALENT.exists() else []
    return {(one["file"], one["line"], one["becomes"]) for one in named}


def drawn(number: int, seed: int, rooms: tuple[str, ...]) -> list[Bug]:
    """So many by chance."""
    bugs, known = list(every_bug(rooms)), equivalents()
    random.Random(seed).shuffle(bugs)
    found: list[Bug] = []
    for bug in bugs:
        if len(found) == number:
            break
        before, after = bug.lines()
        if (str(bug.path.relative_to(SOURCE)), " ".join(before), " ".join(after)) not in known and is_python(bug.source()):
            found.append(bug)
    return found


def trial_of(bug: Bug, touched: Touched) -> Trial:
    """With the tests that are most likely to find it, as many as there is time for."""
    tests, seconds = list[str](), 0.0
    for touch in touched.of(bug.path, bug.change.line, bug.change.function)[:MOST_TESTS]:
        if seconds + touch.seconds <= MOST_SECONDS:
            tests.append(touch.test)
            seconds += touch.seconds
    for file, usual in WITH_CHILDREN.get(bug.room, ()):
        tests.append(file)
        seconds += usual
    return Trial(bug.path, bug.source(), tests, seconds)


def told(bug: Bug, trial: Trial, verdict: Verdict) -> str:
    """A line, and for what survives its diff."""
    if verdict.caught:
        return f"{bug.name}: caught by {verdict.word}"
    return f"{bug.name}: {verdict.word}, {len(trial.tests)} tests\n{bug.diff()}"


def main() -> int:
    """Try them."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=__doc__)
    parser.add_argument("--generated", type=int, metavar="N", default=300, help="draw so many bugs (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=ROOMS)
    parser.add_argument("--at-once", type=int, metavar="N", default=2)
    parser.add_argument("--map", action="store_true", help="find out anew which tests run through which line")
    options = parser.parse_args()
    os.chdir(ROOT)
    touched = draw_map(anew=options.map, processes=options.at_once)
    preload()
    began = time.monotonic()
    trials = [(bug, trial_of(bug, touched)) for bug in drawn(options.generated, options.seed, tuple(options.rooms))]
    survivors = [bug for bug, trial in trials if not trial.tests]
    for bug in survivors:
        print(f"{bug.name}: NO TEST runs through it\n{bug.diff()}", flush=True)
    tried = [((bug, trial), trial) for bug, trial in trials if trial.tests]
    for (bug, trial), verdict in at_once(tried, options.at_once):
        print(told(bug, trial, verdict), flush=True)
        if not verdict.caught:
            survivors.append(bug)
    every = [bug for bug, _ in trials]
    share = 100 * len(survivors) / max(1, len(every))
    for line in chain(
        shares("room", every, survivors, lambda bug: bug.room), shares("kind", every, survivors, lambda bug: bug.change.what)
    ):
        print(line)
    print(f"\nseed {options.seed}: {len(survivors)} of {len(every)} survive, {share:.1f} %, {time.monotonic() - began:.0f} s")
    return 0 if share <= GOAL else 1


def shares(title: str, every: Iterable[Bug], survivors: Iterable[Bug], key: Callable[[Bug], str]) -> Iterator[str]:
    """How many survive of how many, by room or by kind; the worst first."""
    all_of, left = Counter(map(key, every)), Counter(map(key, survivors))
    yield f"\n{title:28} survive  drawn"
    for name in sorted(all_of, key=lambda name: (-left[name], name)):
        yield f"{name:28} {left[name]:7}  {all_of[name]:5}"


if __name__ == "__main__":
    sys.exit(main())
