"""A quantile of latencies of which some are only known to be "at least so much"."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.policies.latencies import FEWEST, LEAST_SECONDS, MOST, Latencies, quantile_of

SECONDS = st.floats(0, 100, allow_nan=False)
SAMPLES = st.lists(st.tuples(SECONDS, st.booleans()), min_size=1, max_size=MOST)
QUANTILES = st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 0.999])


def ended(*seconds: float) -> list[tuple[float, bool]]:
    return [(value, False) for value in seconds]


def cut(*seconds: float) -> list[tuple[float, bool]]:
    return [(value, True) for value in seconds]


def plain_quantile(seconds: list[float], quantile: float) -> float:
    """The smallest value that is not exceeded by the wanted part: the textbook's, by counting."""
    return next(value for value in sorted(seconds) if sum(other <= value for other in seconds) >= quantile * len(seconds) - 1e-6)


@pytest.mark.parametrize(
    ("samples", "quantile", "expected"),
    [
        (ended(*range(1, 101)), 0.95, 95),
        (ended(*range(1, 101)), 0.5, 50),
        (ended(*range(1, 21)), 0.95, 19),
        (ended(7), 0.5, 7),
        (ended(1, 1, 1, 1), 0.75, 1),
        (ended(1, 2) + cut(0.5), 0.5, 1),  # cut before anything ended: it says nothing
        (ended(1, 2) + cut(1), 0.5, 2),  # two of three took longer than 1, one of them 2 seconds
        (ended(1, 2, 3) + cut(2), 0.5, 2),
        (ended(1, 2, 3) + cut(2), 0.9, 3),  # the one that was cut at 2 counts as the ones that were still running
        (ended(1, 2) + cut(3), 0.5, 2),
        (ended(1, 2) + cut(3), 0.9, None),
        (cut(1, 2), 0.5, None),
    ],
)
def test_the_estimate_is_that_of_kaplan_and_meier(samples: list[tuple[float, bool]], quantile: float, expected: float | None) -> None:
    assert quantile_of(samples, quantile) == expected


@settings(deadline=None)  # other work on the machine is no failure
@given(st.lists(SECONDS, min_size=1, max_size=MOST), QUANTILES)
def test_where_nothing_was_cut_it_is_the_plain_quantile(seconds: list[float], quantile: float) -> None:
    assert quantile_of(ended(*seconds), quantile) == plain_quantile(seconds, quantile)


@settings(deadline=None)  # other work on the machine is no failure
@given(SAMPLES, QUANTILES)
def test_what_was_cut_never_makes_the_estimate_smaller(samples: list[tuple[float, bool]], quantile: float) -> None:
    """It is never less than what those alone say that came to their end."""
    fast = [seconds for seconds, was_cut in samples if not was_cut]
    found = quantile_of(samples, quantile)

    assert found is None or found >= plain_quantile(fast, quantile)


@settings(deadline=None)  # other work on the machine is no failure
@given(SAMPLES, QUANTILES)
def test_the_estimate_is_never_more_than_if_all_had_ended_just_then_or_it_is_unknown(
    samples: list[tuple[float, bool]], quantile: float
) -> None:
    """An attempt that was cut had lasted as long as it had; the estimate lies between that and the slowest."""
    found = quantile_of(samples, quantile)

    assert found is None or plain_quantile([seconds for seconds, _ in samples], quantile) <= found <= max(samples)[0]


def test_until_enough_is_known_the_start_value_holds() -> None:
    latencies = Latencies(0.5, 0.2)
    for _ in range(FEWEST - 1):
        latencies.took(3)
        assert latencies.estimate == 0.2

    latencies.took(3)

    assert latencies.estimate == 3


def test_only_the_latest_count() -> None:
    latencies = Latencies(0.95, 0.2)
    for _ in range(MOST):
        latencies.took(10)
    assert latencies.estimate == 10

    for _ in range(MOST):
        latencies.took(1)

    assert (latencies.estimate, len(latencies)) == (1, MOST)


def test_it_is_estimated_anew_when_one_in_eight_is_new() -> None:
    latencies = Latencies(0.5, 0.2)
    for _ in range(MOST):
        latencies.took(10)
    assert latencies.estimate == 10

    estimates = []
    for _ in range(MOST):
        latencies.took(1)
        estimates.append(latencies.estimate)

    assert estimates.index(1) == MOST // 2 - 1
    assert estimates.count(10) == MOST // 2 - 1


def test_the_sorting_is_done_for_one_in_eight_calls_however_often_it_is_asked_for() -> None:
    """O(1) per call: between two sortings of a full window there are always as many calls as an eighth of it."""
    latencies = Latencies(0.5, 0.2)
    sorted_at = []
    for call in range(10 * MOST):
        latencies.took(1)
        assert latencies.estimate == latencies.estimate
        if latencies._new == 0:
            sorted_at.append(call)

    assert [call for call in sorted_at if call >= MOST] == list(range(sorted_at[-1] % 32 + MOST, 10 * MOST, 32))


def test_an_estimate_is_never_less_than_a_millisecond() -> None:
    """In a test without delays, everything takes no time at all; a copy of every call would be the consequence."""
    latencies = Latencies(0.5, 0.2)
    for _ in range(FEWEST):
        latencies.took(0)

    assert latencies.estimate == LEAST_SECONDS


def test_attempts_that_are_all_cut_at_once_do_not_make_it_small() -> None:
    """Callers who change their minds say nothing about the backend."""
    latencies = Latencies(0.5, 0.2)
    for _ in range(MOST):
        latencies.was_cut(0.01)
        assert latencies.estimate == 0.2

    for _ in range(MOST):
        latencies.was_cut(3)

    assert latencies.estimate == 3, "but they say that it takes longer than that"


@pytest.mark.parametrize("seed", range(20))
def test_a_slow_backend_whose_slow_calls_are_always_cut_looks_ever_slower_not_ever_faster(seed: int) -> None:
    """A third of the attempts would take for ever; a copy cuts each of them 10 to 20 ms after the delay, and nobody sees one end."""
    chance = random.Random(seed)
    latencies = Latencies(0.9, 0.05)
    estimates = []
    for _ in range(4 * MOST):
        fast = chance.uniform(0.01, 0.02)
        if chance.random() < 1 / 3:
            latencies.was_cut(latencies.estimate + fast)
        latencies.took(fast)
        estimates.append(latencies.estimate)

    known = estimates[FEWEST:]
    assert all(later >= earlier for earlier, later in pairwise(known))
    assert known[-1] > 5 * known[0] > 5 * 0.02


@pytest.mark.parametrize("seed", range(20))
def test_a_backend_that_has_recovered_looks_fast_again(seed: int) -> None:
    chance = random.Random(seed)
    latencies = Latencies(0.9, 0.05)
    for _ in range(MOST):
        latencies.was_cut(chance.uniform(5, 30))

    for _ in range(MOST):
        latencies.took(chance.uniform(0.01, 0.02))

    assert 0.015 < latencies.estimate < 0.02


@pytest.mark.parametrize("seed", range(20))
def test_with_a_few_cut_by_chance_it_is_near_the_truth(seed: int) -> None:
    """Exponential times with a mean of one second; every attempt is given up after a time of its own, two in five before their end."""
    chance = random.Random(seed)
    latencies = Latencies(0.5, 0.2)
    for _ in range(MOST):
        would_take, given_up = chance.expovariate(1), chance.expovariate(2 / 3)
        (latencies.was_cut if given_up < would_take else latencies.took)(min(would_take, given_up))

    assert latencies.estimate == pytest.approx(0.693, rel=0.35)


@pytest.mark.parametrize("quantile", [0, 1, -0.1, 1.5])
def test_a_quantile_lies_between_nothing_and_all(quantile: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        Latencies(quantile, 1)
