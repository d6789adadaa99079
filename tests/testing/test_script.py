"""Which attempt gets which fault: by number, by what is called, and drawn from a seed."""

from __future__ import annotations

import pytest

from sluicegate.testing.injections.draws import Exponential, Uniform
from sluicegate.testing.injections.kinds import Delay, Hang, Reset, RpcError, Transport, Unavailable
from sluicegate.testing.script import Attempt, Rule, Script

ECHO, ADD = Attempt(tool="echo"), Attempt(tool="add")


def numbers_of(rule: Rule, count: int = 20) -> list[int]:
    """The attempts of twenty that get the fault."""
    schedule = Script([rule]).schedule("b", Transport.FRAMES)
    return [number for number in range(1, count + 1) if schedule.next(ECHO) is not None]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(Reset()), list(range(1, 21))),
        (Rule(Reset(), numbers=[3]), [3]),
        (Rule(Reset(), numbers=[2, 19]), [2, 19]),
        (Rule(Reset(), every=5), [5, 10, 15, 20]),
        (Rule(Reset(), first=18), [18, 19, 20]),
        (Rule(Reset(), last=2), [1, 2]),
        (Rule(Reset(), first=4, last=9, every=3), [6, 9]),
        (Rule(Reset(), backend="b", last=1), [1]),
        (Rule(Reset(), backend="other"), []),
        (Rule(Reset(), tool="add"), []),
        (Rule(Reset(), method="prompts/get"), []),
        (Rule(Reset(), caller="ann"), []),
        (Rule(Unavailable()), []),
    ],
)
def test_a_rule_picks_attempts_by_number_and_by_what_they_are(rule: Rule, expected: list[int]) -> None:
    assert numbers_of(rule) == expected


def test_numbers_count_the_attempts_that_a_rule_is_about() -> None:
    schedule = Script([Rule(Reset(), numbers=[2], tool="add")]).schedule("b", Transport.FRAMES)
    assert [schedule.next(attempt) for attempt in (ECHO, ADD, ECHO, ECHO, ADD, ADD)] == [None, None, None, None, Reset(), None]


def test_a_rule_knows_the_caller() -> None:
    schedule = Script([Rule(Hang(), caller="ann")]).schedule("b", Transport.FRAMES)
    assert [schedule.next(Attempt(caller=caller)) for caller in ("", "ann", "bob")] == [None, Hang(), None]


def test_the_first_rule_that_holds_decides_and_the_others_go_on_counting() -> None:
    schedule = Script([Rule(Reset(), every=2), Rule(Hang(), every=3)]).schedule("b", Transport.FRAMES)
    assert [schedule.next(ECHO) for _ in range(6)] == [None, Reset(), Hang(), Reset(), None, Reset()]


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    rules = [Rule(Reset(), percent=20), Rule(Delay(Uniform(1, 2)), percent=30), Rule(Delay(Exponential(1)), percent=10)]

    def drawn(seed: int, backend: str = "b") -> list[object]:
        schedule = Script(rules, seed).schedule(backend, Transport.HTTP)
        return [schedule.next(ECHO) for _ in range(200)]

    assert drawn(42) == drawn(42)
    assert drawn(42) != drawn(43)
    assert drawn(42) != drawn(42, "another backend")


def test_percentages_add_up_and_are_kept_over_many_attempts() -> None:
    rules = [Rule(Reset(), percent=10), Rule(Hang(), percent=30)]
    schedule = Script(rules, 1).schedule("b", Transport.HTTP)
    found = [schedule.next(ECHO) for _ in range(10_000)]
    assert 900 < found.count(Reset()) < 1100
    assert 2800 < found.count(Hang()) < 3200
    certain = Script([Rule(Reset(), percent=40), Rule(Hang(), percent=60)], 1).schedule("b", Transport.HTTP)
    assert None not in [certain.next(ECHO) for _ in range(1000)]


def test_what_is_called_moves_no_draw_of_anybody_else() -> None:
    """One draw an attempt, in the order of attempts, whichever rules hold for it."""
    alone = Script([Rule(Reset(), percent=20)], 7).schedule("b", Transport.HTTP)
    beside = Script([Rule(Hang(), tool="add"), Rule(Reset(), percent=20)], 7).schedule("b", Transport.HTTP)
    expected = [alone.next(ECHO) for _ in range(300)]
    found = [beside.next(ADD if number % 3 == 0 else ECHO) for number in range(300)]
    assert [fault for number, fault in enumerate(found) if number % 3] == [fault for number, fault in enumerate(expected) if number % 3]


def test_a_delay_is_drawn_from_its_range() -> None:
    schedule = Script([Rule(Delay(Uniform(1, 2), RpcError()))], 3).schedule("b", Transport.HTTP)
    delays = [schedule.next(ECHO) for _ in range(100)]
    seconds = [delay.seconds for delay in delays if isinstance(delay, Delay) and isinstance(delay.seconds, float)]
    assert len(seconds) == 100
    assert all(1 <= one < 2 for one in seconds)
    assert {RpcError()} == {delay.then for delay in delays if isinstance(delay, Delay)}


@pytest.mark.parametrize(("draw", "median"), [(Uniform(2, 4), 3.0), (Exponential(1.0), 0.6931471805599453), (Uniform(0, 0), 0.0)])
def test_a_draw_has_its_median_in_the_middle(draw: Uniform | Exponential, median: float) -> None:
    assert draw.at(0.5) == pytest.approx(median)
    assert draw.at(0.0) <= draw.at(0.999999)


def test_a_fault_alone_is_a_rule_that_always_holds() -> None:
    assert Script([Hang(), Rule(Reset(), every=2)]) == Script([Rule(Hang()), Rule(Reset(), every=2)])


def test_a_tool_has_the_name_that_the_backend_gives_it_and_the_one_that_clients_see() -> None:
    attempt = Attempt("tools/call", "add", "ann", "math_add")
    assert [tool for tool in ("add", "math_add", "sub", None) if Rule(Reset(), tool=tool).fits(attempt)] == ["add", "math_add", None]
    assert not Rule(Reset(), tool="math_add").fits(Attempt("tools/call", "add"))
