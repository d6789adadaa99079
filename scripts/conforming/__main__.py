"""One table: each run of the suite, directly at the server and through the gateway in each of its places; then what is worse than directly."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .expected import but_for_expected
from .places import OTHER_ERA, PLACES, TASK_PLACES
from .suite import OF_TASKS, RUNS, TASKS, Result, Run, run_as_client, run_suite

DIRECT = "direct"
FAST = ("0.1.16 active", "all, 2026-07-28")


def results(runs: Sequence[Run], places: Sequence[str], scenarios: Sequence[str]) -> dict[tuple[str, str], Result]:
    """What was found, by run and place; each in a server and a gateway that nobody has used before."""
    found = {}
    for run in runs:
        for place in dict.fromkeys((DIRECT, *places)):
            print(f"\r{run.name}, {place} …\033[K", end="", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as name, PLACES[place](Path(name), run.revision) as url:
                found[run.name, place] = run_suite(run, url, Path(name) / "results", scenarios)
    print("\r\033[K", end="", file=sys.stderr)
    return found


def results_as_client(scenarios: Sequence[str]) -> dict[tuple[str, str], Result]:
    """The other half: the suite is the backend, and the client is the SDK's."""
    found = {}
    for revision in ("2025-11-25", "2026-07-28"):
        for place in (DIRECT, "alone"):
            print(f"\rclient {revision}, {place} …\033[K", end="", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as name:
                found[f"as a client, {revision}", place] = run_as_client(revision, Path(name), scenarios, direct=place == DIRECT)
    print("\r\033[K", end="", file=sys.stderr)
    return found


def results_of_tasks(scenarios: Sequence[str]) -> dict[tuple[str, str], Result]:
    """The extension for tasks, at a server that has it."""
    found = {}
    for place, served in TASK_PLACES.items():
        print(f"\r{OF_TASKS.name}, {place} …\033[K", end="", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as name, served(Path(name), "2026-07-28") as url:
            found[OF_TASKS.name, place] = run_suite(OF_TASKS, url, Path(name) / "results", [*scenarios] or TASKS)
    print("\r\033[K", end="", file=sys.stderr)
    return found


def table(found: dict[tuple[str, str], Result]) -> Iterator[str]:
    """Lines: checks passed / failed."""
    runs, places = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    yield f"{'checks passed / failed':28}" + "".join(f"{place:>14}" for place in places)
    for run in runs:
        yield f"{run:28}" + "".join(f"{found.get((run, place), '')!s:>14}" for place in places)


def worse(found: dict[tuple[str, str], Result]) -> Iterator[str]:
    """A line for each failure that the server itself does not have; with the suite's own words."""
    revisions = {run.name: run.revision for run in RUNS}
    for (run, place), result in found.items():
        checks = result.worse_than(found[run, DIRECT])
        for check in but_for_expected(checks, result, revisions[run]) if place == OTHER_ERA else checks:
            yield f"{run}, {place}: {check.scenario}: {check.name}: {' '.join(check.said.split())[:200]}"


def look_quickly() -> int:
    """The gateway alone, in two of the runs; 1 if anything fails."""
    found = {}
    for run in (run for run in RUNS if run.name in FAST):
        with tempfile.TemporaryDirectory() as name, PLACES["alone"](Path(name), run.revision) as url:
            found[run.name] = run_suite(run, url, Path(name) / "results")
    failures = [f"{run}: {check.scenario}: {check.name}: {check.said}" for run, result in found.items() for check in result.failures]
    print("\n".join([*(f"{run}: {result}" for run, result in found.items()), *failures]))
    return int(bool(failures) or not all(result.passed for result in found.values()))


def main() -> int:
    """Run all that was asked for; 1 if anything is worse than directly."""
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=__doc__)
    parser.add_argument("--run", action="append", choices=[run.name for run in RUNS], help="one of the runs; all without it")
    parser.add_argument(
        "--place", action="append", choices=[name for name in PLACES if name != DIRECT], help="one of the places; all without it"
    )
    parser.add_argument("--client", action="store_true", help="only the other half: the suite as backend, the SDK's client")
    parser.add_argument("--tasks", action="store_true", help="only the extension for tasks, at a server that has it")
    parser.add_argument("--scenario", action="append", default=[], help="this scenario alone")
    parser.add_argument("--fast", action="store_true", help="only the runs of scripts/test, through the gateway")
    options = parser.parse_args()
    if options.fast:
        return look_quickly()
    runs = [run for run in RUNS if not options.run or run.name in options.run]
    found = {} if options.client or options.tasks else results(runs, options.place or list(PLACES), options.scenario)
    if options.tasks or not (options.client or options.run or options.place or options.scenario):
        found |= results_of_tasks(options.scenario)
    if options.client or not (options.tasks or options.run or options.place or options.scenario):
        found |= results_as_client(options.scenario)
    if options.scenario:
        found = {run: result for run, result in found.items() if found[run[0], DIRECT].checks}  # it does not belong to every run
    if not found or not all(result.checks for result in found.values()):
        print("error: the suite did not run; try it by hand in .cache/conformance")
        return 2
    print("\n".join(table(found)))
    lines = list(worse(found))
    print("\n".join(["", *lines] if lines else ["", "nothing fails that does not fail directly"]))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
