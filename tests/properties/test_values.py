"""Properties of what needs no time and no gateway: hypothesis looks for the value that breaks one, and makes it small."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as some
from tests.kit.chance import looked_for

from sluicegate.backends.http.retry_after import retry_after
from sluicegate.config.problem import ConfigError
from sluicegate.policies.latencies import quantile_of
from sluicegate.protocol.calls import Caller
from sluicegate.protocol.principal import Principal
from sluicegate.routing.split import SLOTS, Schedule
from sluicegate.testing.injections.plan import read_plan
from sluicegate.testing.injections.words import FAULTS, WrongFault, fault_in, name_of

SHARES = some.lists(some.tuples(some.integers(0, SLOTS), some.booleans()), max_size=5).filter(
    lambda shares: sum(percent for percent, _sticky in shares) <= SLOTS
)
SECONDS = some.floats(0, 1000, allow_nan=False)
WORDS = some.text(alphabet="abcdefgh_ =.0123456789\"'-", max_size=40)


@looked_for
@given(SHARES, some.integers(0, 250))
def test_any_hundred_calls_in_a_row_hold_exactly_each_canarys_share(shares: list[tuple[int, bool]], start: int) -> None:
    """CAN-1, CAN-2: whatever the shares, and wherever the hundred begin."""
    schedule = Schedule(tuple(shares))
    turns = [schedule.next(Caller("")) for _ in range(start + SLOTS)][start:]
    assert [turns.count(number) for number in range(len(shares))] == [percent for percent, _sticky in shares]


@looked_for
@given(SHARES, some.text(min_size=1, max_size=8), some.text(min_size=1, max_size=8))
def test_a_sticky_canary_keeps_its_callers_whoever_calls_in_between(shares: list[tuple[int, bool]], who: str, other: str) -> None:
    """CAN-4: what one caller gets does not hang on the others."""
    schedule = Schedule(tuple(shares))
    sticky = {number for number, (_percent, is_sticky) in enumerate(shares) if is_sticky}
    got = []
    for _ in range(20):
        got.append(schedule.next(Caller("", principal=Principal(who))))
        schedule.next(Caller("", principal=Principal(other)))
    assert len(set(got)) == 1 or not sticky & set(got)


@looked_for
@given(some.text(max_size=30) | some.integers().map(str), some.text(max_size=30), some.floats(0, 4e9))
def test_retry_after_is_a_bounded_time_or_nothing(text: str, date: str, now: float) -> None:
    """LIM-15: whatever a backend writes, nobody waits for ever, or not at all."""
    seconds = retry_after(text, date, now)
    assert seconds is None or 0 <= seconds <= 300


@looked_for
@given(some.lists(SECONDS, min_size=1), some.floats(0.01, 0.99))
def test_without_cuts_a_quantile_is_one_of_those_seen_and_as_many_are_at_most_that(seconds: list[float], quantile: float) -> None:
    found = quantile_of([(one, False) for one in seconds], quantile)
    assert found in seconds
    assert sum(one <= found for one in seconds) >= math.floor(quantile * len(seconds))


@looked_for
@given(some.lists(some.tuples(SECONDS, some.booleans()), min_size=1), some.floats(0.01, 0.99))
def test_one_that_was_cut_never_makes_a_backend_look_faster(samples: list[tuple[float, bool]], quantile: float) -> None:
    """LIM-16: as if it had ended there, or later."""
    ended = quantile_of([(seconds, False) for seconds, _cut in samples], quantile)
    found = quantile_of(samples, quantile)
    assert ended is not None
    assert found is None or found >= ended


@looked_for
@given(WORDS | some.builds("{} {}".format, some.sampled_from(sorted(FAULTS)), WORDS))
def test_what_is_wished_is_a_fault_or_is_told_to_be_wrong(text: str) -> None:
    told = ""
    try:
        told = name_of(fault_in(text))
    except (WrongFault, ValueError) as error:
        told = f"{error} is told"
    assert told in FAULTS or len(told) > len(" is told")


@looked_for
@given(some.lists(some.sampled_from(["[[faults]]", 'fault = "hang"', "seconds = 1", "percent = 20", "every = 0", "x = [", "seed = 1"])))
def test_a_plan_is_read_or_all_that_is_wrong_with_it_is_told(lines: list[str]) -> None:
    rules, told = -1, ""
    try:
        rules = len(read_plan("\n".join(lines))[0])
    except ConfigError as error:
        told = str(error)
    assert told or rules == lines.count("[[faults]]")
