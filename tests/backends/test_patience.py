"""What a start is granted, and how long the pause after a refusal becomes."""

from __future__ import annotations

import pytest

from sluicegate.backends.patience import NOTHING_ODD, Noticed, Patience

# The numbers that are promised. Taken from the source they would move with it.
LONGEST_START = 600.0
SLOWEST = 10.0

RUNS = Noticed(still_runs=True)


def test_a_start_that_still_runs_is_granted_twice_as_long_until_ten_minutes() -> None:
    patience = Patience(100.0)
    granted = []
    for _ in range(4):
        patience.ran_out("connect", RUNS)
        granted.append(patience.seconds)
    assert granted == [200.0, 400.0, LONGEST_START, LONGEST_START]


def test_more_is_granted_only_where_more_is_configured() -> None:
    patience = Patience(2 * LONGEST_START)
    assert "may take" not in patience.ran_out("connect", RUNS).operator
    assert patience.seconds == 2 * LONGEST_START


def test_after_it_was_ready_once_a_start_has_the_time_that_is_configured() -> None:
    patience = Patience(30.0)
    patience.ran_out("connect", RUNS)
    patience.ready()
    assert patience.seconds == 30.0
    patience.ran_out("connect", RUNS)
    assert patience.seconds == 30.0


def test_whoever_ended_is_granted_no_more() -> None:
    patience = Patience(30.0)
    assert patience.ran_out("connect", NOTHING_ODD).operator == "no answer within 30 s while trying to connect"
    assert patience.seconds == 30.0


def test_what_it_sent_first_is_told_to_the_operator_alone() -> None:
    why = Patience(30.0).ran_out("connect", Noticed(odd="hello"))
    assert "hello" in why.operator
    assert "hello" not in why.public


def test_each_lasting_refusal_in_a_row_makes_the_pause_longer_and_another_failure_ends_the_row() -> None:
    patience = Patience(30.0)
    assert [patience.refused(lasting=True) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, SLOWEST, SLOWEST]
    assert [patience.refused(lasting=lasting) for lasting in (False, True)] == [0.0, 1.0]
    patience.ready()
    assert patience.refused(lasting=True) == pytest.approx(1.0)
