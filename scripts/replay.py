"""Play storms again, in this process and in fresh ones, and compare the digests; see scripts/replay."""

from __future__ import annotations

import argparse
import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for the storm, which stands among the tests


def main() -> int:
    """Parse the arguments, play, and say what differs; the exit code is 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="play so many seeds, each twice")
    parser.add_argument("--processes", type=int, default=0, help="play the first seed in so many fresh processes")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long a storm lasts")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--digests", type=int, nargs="+", metavar="SEED", help="only print the digests of these seeds")
    arguments = parser.parse_args()
    if arguments.digests is not None:
        print(*[digest(seed, arguments.seconds) for seed in arguments.digests])
        return 0
    began, wrong = time.perf_counter(), 0
    if arguments.processes:
        with ThreadPoolExecutor(arguments.workers) as pool:
            found = Counter(pool.map(lambda _: afresh([arguments.first], arguments.seconds), range(arguments.processes)))
        print(f"seed {arguments.first} in {arguments.processes} fresh processes: {len(found)} different traces")
        wrong += len(found) - 1
    if arguments.seeds:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        with ProcessPoolExecutor(arguments.workers) as pool:
            differing = [
                seed for seed, same in zip(seeds, pool.map(is_same, seeds, [arguments.seconds] * len(seeds)), strict=True) if not same
            ]
        print(f"{arguments.seeds} seeds, each played twice: {len(differing)} differ", *differing)
        wrong += len(differing)
    print(f"{time.perf_counter() - began:.0f} s")
    return min(wrong, 1)


def digest(seed: int, seconds: float) -> str:
    """Of one storm; imported late, so that a fresh process is one."""
    from tests.kit.storm import storm

    from sluicegate.testing.playing import Play, play

    async def scenario(given: Play) -> list[str]:
        return await storm(given, seconds=seconds)

    logging.disable(logging.CRITICAL)
    return play(scenario, seed).digest


def is_same(seed: int, seconds: float) -> bool:
    """Whether two storms of one seed are the same."""
    return digest(seed, seconds) == digest(seed, seconds)


def afresh(seeds: Sequence[int], seconds: float) -> str:
    """The digests from a process of its own, whose strings hash in their own way."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--digests", *map(str, seeds)]
    environment = os.environ | {"PYTHONHASHSEED": str(random.SystemRandom().randrange(1, 2**32))}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
