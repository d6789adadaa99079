"""Same seed, same trace: in this process, in fresh ones, and for a whole gateway in bad weather."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import trio
from tests.kit.steady import steady
from tests.kit.storm import storm

from sluicegate import Outside
from sluicegate.policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HealthSettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from sluicegate.testing.injections.injector import Injections
from sluicegate.testing.playing import Play, play, replays
from sluicegate.testing.script import Delay, Drip, DropAnswer, Duplicate, Hang, Refuse, Reset, Rule, Script, Truncate, WrongId

REPLAY = Path(__file__).parents[2] / "scripts" / "replay.py"
HOUR = 3600
ALL_POLICIES = {
    "retry": RetrySettings(budget_percent=20),
    "hedging": HedgeSettings(percentile=95),
    "circuit_breaker": BreakerSettings(window_seconds=30),
    "outlier_detection": OutlierSettings(success_rate_threshold=0.5),
    "rate_limit": RateLimitSettings(100),
    "concurrency": ConcurrencySettings(8),
    "health": HealthSettings(),
}


async def drawn(given: Play) -> float:
    """Notes two draws, a second apart."""
    for _ in range(2):
        given.note("drew", given.chance("x").random())
        await trio.sleep(1)
    return given.sources.wall()


def test_a_run_tells_what_came_of_it() -> None:
    first, second, other = play(drawn, 7), play(drawn, 7), play(drawn, 8)

    assert (first.virtual_seconds, first.seed) == (2, 7)
    assert first.result == second.result == 1_767_225_602
    assert [line.split()[:2] for line in first.trace] == [["0.000", "drew"], ["1.000", "drew"]]
    assert (first.trace, first.digest, first.steps) == (second.trace, second.digest, second.steps)
    assert first.digest != other.digest


def test_the_digest_sees_an_order_that_no_line_tells() -> None:
    async def scenario(given: Play, *, swapped: bool) -> None:
        async def one() -> None:
            await trio.sleep(1 + swapped)

        async def two() -> None:
            await trio.sleep(2 - swapped)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            nursery.start_soon(two)

    same, swapped = play(partial(scenario, swapped=False)), play(partial(scenario, swapped=True))
    assert same.trace == swapped.trace == ()
    assert same.digest != swapped.digest


def test_what_a_scenario_raises_tells_the_seed() -> None:
    async def scenario(given: Play) -> None:
        raise ValueError("broken")

    with pytest.RaisesGroup(ValueError) as caught:
        play(scenario, 4711)
    assert caught.value.__notes__ == ["seed 4711"]


def test_no_scenario_reaches_the_real_world() -> None:
    async def scenario(given: Play) -> None:
        with pytest.raises(RuntimeError, match="not under a mock clock"):
            await Outside().open_stream("localhost", 80)

    play(scenario)


def test_forty_storms_are_the_same_twice() -> None:
    """The long version: ``scripts/replay --seeds 1000``."""
    assert replays(partial(storm, seconds=2.0, clients=3), range(40)) == []


def test_in_a_storm_every_call_has_its_own_answer_in_time() -> None:
    assert {seed: wrong for seed in range(100, 106) if (wrong := play(partial(storm, seconds=15.0), seed).result)} == {}


def test_faults_are_drawn_from_the_seed_as_well() -> None:
    kinds = (Delay(2.0), Drip(), DropAnswer(), Duplicate(), Hang(), Refuse(), Reset(), Truncate(), WrongId())

    async def scenario(given: Play) -> tuple[int, list[str]]:
        faults = Injections(Script([Rule(fault, percent=4) for fault in kinds], given.seed))
        wrong = await storm(given, seconds=10, faults=faults)
        given.note("faults", {name: list(injector.log) for name, injector in faults.injectors.items()})
        return faults.injected, wrong

    first, second = play(scenario, 3), play(scenario, 3)
    assert first.digest == second.digest
    injected, wrong = first.result
    assert injected > 5
    assert wrong == []


def digests(seeds: Sequence[int], _process: int) -> str:
    """Those of some storms in a fresh process, whose strings hash in their own way."""
    command = [sys.executable, str(REPLAY), "--seconds", "8", "--digests", *map(str, seeds)]
    environment = os.environ | {"PYTHONHASHSEED": str(random.SystemRandom().randrange(1, 2**32))}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.slow
def test_twelve_fresh_processes_give_one_digest() -> None:
    """The long version: ``scripts/replay --processes 200``. What ran before in the same process does not matter, either."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(partial(digests, (17,)), range(12)))
    assert len({*found, digests((3, 17), 0).split()[1] + "\n"}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("policies", [{}, ALL_POLICIES], ids=["none", "all"])
def test_an_hour_of_steady_traffic_takes_less_than_five_seconds(policies: dict[str, object]) -> None:
    """One call a second through the whole gateway, with everything that runs by the clock beside it."""
    gc.collect()
    hour = play(partial(steady, policies=policies), 1)

    assert hour.virtual_seconds >= HOUR
    assert hour.result == (HOUR, HOUR * 19 // 20)
    assert hour.cpu_seconds < 5
