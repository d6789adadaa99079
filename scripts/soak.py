"""Play many random worlds, and say which property does not hold in which; see scripts/soak. The exit code is 1 if there is any."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.properties.registry import PROPERTIES, check, digest

AT_ONCE = 10
"""Seeds that a process takes."""
TOLD_EVERY = 15.0
"""Seconds between two lines of progress."""


def main() -> int:
    """Parse the arguments, play, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, metavar="N", help="how many worlds")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="K", help="the first seed")
    parser.add_argument("--property", action="append", choices=PROPERTIES, dest="properties", help="only this one; may be given again")
    parser.add_argument("--twice", action="store_true", help="compare the digests of two runs of each seed instead")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    began, told, played, wrong = time.perf_counter(), time.perf_counter(), 0, 0
    with ProcessPoolExecutor(arguments.workers) as pool:
        futures = [
            pool.submit(look, seeds[start : start + AT_ONCE], arguments.properties or PROPERTIES, arguments.twice)
            for start in range(0, len(seeds), AT_ONCE)
        ]
        for done, found in results(futures):
            played += done
            wrong += len(found)
            for text in found:
                print(text, end="\n\n", flush=True)
            if time.perf_counter() - told > TOLD_EVERY:
                told = time.perf_counter()
                print(f"{played} of {len(seeds)} worlds, {wrong} findings, {told - began:.0f} s", flush=True)
    print(f"{played} worlds{' played twice' if arguments.twice else ''}: {wrong} findings, {time.perf_counter() - began:.0f} s")
    return min(wrong, 1)


def results(futures: Sequence[Future[tuple[int, list[str]]]]) -> Iterator[tuple[int, list[str]]]:
    """As they come; what is done first is told first."""
    for future in as_completed(futures):
        yield future.result()


def look(seeds: Sequence[int], properties: Sequence[str], twice: bool) -> tuple[int, list[str]]:
    """How many worlds were played, and what is wrong with them, in words."""
    found: list[str] = []
    for seed in seeds:
        try:
            if not twice:
                found += map(str, check(seed, properties))
            elif digest(seed) != digest(seed):
                found.append(f"seed {seed} is not the same twice: scripts/soak --seeds 1 --from {seed} --twice")
        except Exception:  # noqa: BLE001  whatever it is, the other seeds are worth playing
            found.append(f"seed {seed} ended with an exception: scripts/soak --seeds 1 --from {seed}\n{traceback.format_exc()}")
    return len(seeds), found


if __name__ == "__main__":
    sys.exit(main())
