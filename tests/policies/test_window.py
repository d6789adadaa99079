"""What is remembered of the last calls, compared with remembering all of them."""

import random

import attrs
import pytest

from sluicegate.policies.window import GRAINS, CountWindow, TimeWindow

SEEDS = range(200)


@attrs.frozen
class Outcome:
    """One call that has ended."""

    at: float
    failed: bool
    slow: bool


def history(chance: random.Random) -> list[Outcome]:
    """Bursts and pauses; the seconds of a window among them."""
    now, outcomes = chance.choice([0.0, 12345.678]), []
    for _ in range(chance.randrange(1, 200)):
        now += chance.choice([0.0, 0.0, 0.01, chance.random(), chance.random() * 5, 10.0 * chance.random() ** 4 * 3])
        outcomes.append(Outcome(now, chance.random() < 0.4, chance.random() < 0.3))
    return outcomes


def counts(outcomes: list[Outcome]) -> tuple[int, int, int]:
    return len(outcomes), sum(one.failed for one in outcomes), sum(one.slow for one in outcomes)


def held(window: CountWindow | TimeWindow) -> tuple[int, int, int]:
    return window.calls, window.failures, window.slow


@pytest.mark.parametrize("seed", SEEDS)
def test_a_window_by_number_holds_exactly_the_last_outcomes(seed: int) -> None:
    """RES-41: it slides; what leaves it does not count any more."""
    chance = random.Random(f"{seed}:count")
    size = chance.randrange(1, 20)
    window, seen = CountWindow(size), []

    for outcome in history(chance):
        window.add(outcome.at, outcome.failed, outcome.slow)
        seen.append(outcome)
        assert held(window) == counts(seen[-size:])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_window_by_time_holds_nothing_too_old_and_forgets_at_most_one_part_too_early(seed: int) -> None:
    chance = random.Random(f"{seed}:time")
    seconds = chance.choice([0.5, 3.0, 10.0, chance.random() * 20 + 0.1])
    window, seen = TimeWindow(seconds), []

    for outcome in history(chance):
        window.add(outcome.at, outcome.failed, outcome.slow)
        seen.append(outcome)
        assert_holds(window, seen, outcome.at)
    for part in range(1, 2 * GRAINS):
        now = seen[-1].at + part * seconds * 0.7 / GRAINS
        window.forget(now)
        assert_holds(window, seen, now)


def assert_holds(window: TimeWindow, seen: list[Outcome], now: float) -> None:
    most = counts([one for one in seen if now - one.at < window.seconds * (1 + 1e-9)])
    least = counts([one for one in seen if now - one.at < window.seconds * (GRAINS - 1) / GRAINS * (1 - 1e-9)])
    assert all(low <= middle <= high for low, middle, high in zip(least, held(window), most, strict=True))


def test_an_outcome_leaves_a_window_by_time_after_its_seconds() -> None:
    window = TimeWindow(6.0)
    window.add(0.0, True, False)
    window.add(3.0, False, True)

    window.forget(5.99)
    assert held(window) == (2, 1, 1)
    window.forget(6.0)
    assert held(window) == (1, 0, 1)
    window.forget(9.0)
    assert held(window) == (0, 0, 0)


def test_a_window_by_time_keeps_no_more_than_its_parts_however_many_calls_come() -> None:
    window = TimeWindow(1.0)
    for number in range(50_000):
        window.add(number / 10_000, False, False)

    assert len(window._grains) <= GRAINS
    assert 9_800 <= window.calls <= 10_000


@pytest.mark.parametrize("window", [CountWindow(4), TimeWindow(10.0)])
def test_a_window_that_is_cleared_starts_with_nothing(window: CountWindow | TimeWindow) -> None:
    for _ in range(6):
        window.add(1.0, True, True)
    window.clear()
    assert held(window) == (0, 0, 0)

    window.add(1.0, False, True)
    assert held(window) == (1, 0, 1)
