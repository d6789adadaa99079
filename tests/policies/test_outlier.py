"""Outlier detection: when one is out, for how long, and how many of a group at once. How it is asked and told is in ``test_gate``."""

import logging

import pytest
import trio
import trio.testing

from sluicegate.policies.gate import Gate
from sluicegate.policies.outlier import Group, Outlier
from sluicegate.policies.settings import OutlierSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply

OK, BAD = False, True


def an_outlier(group: Group | None = None, name: str = "files", **settings: float | None) -> Outlier:
    return Outlier(name, OutlierSettings(**settings), group or Group())  # type: ignore[arg-type] # each test names numbers of its own


def a_group(size: int, **settings: float | None) -> list[Outlier]:
    group = Group()
    return [an_outlier(group, f"files{number}", **settings) for number in range(size)]


def run(outlier: Outlier, *outcomes: bool) -> int:
    """So many calls one after the other as are let through; how many that were."""
    admitted = 0
    for outcome in outcomes:
        if life := outlier.admit(trio.current_time()):
            admitted += 1
            outlier.record(life, trio.current_time(), outcome)
    return admitted


def ejected(members: list[Outlier]) -> list[bool]:
    return [member.is_ejected for member in members]


# -- failures in a row


async def test_so_many_failures_in_a_row_eject_it(autojump_clock: trio.testing.MockClock) -> None:
    """RES-50, RES-51, TST-C7: 3 errors, and the 4th call does not reach the backend."""
    hits = 0

    async def failing(call: Call) -> Reply:
        nonlocal hits
        hits += 1
        return Reply.failed(faults.lost("files", "gone"))

    outlier = an_outlier(consecutive_errors=3)
    gate = Gate(failing, outlier=outlier)
    replies = [await gate(Call("tools/call", "read", {})) for _ in range(4)]

    assert [reply.fault.reason for reply in replies if reply.fault] == ["connection_lost"] * 3 + ["ejected"]
    assert (hits, outlier.is_ejected, outlier.ejections) == (3, True, 1)


async def test_a_success_ends_the_row(autojump_clock: trio.testing.MockClock) -> None:
    """RES-50, TST-C8: two fail, one succeeds, two fail: five hits, not ejected."""
    outlier = an_outlier(consecutive_errors=3)

    assert run(outlier, BAD, BAD, OK, BAD, BAD) == 5
    assert (outlier.is_ejected, outlier.consecutive, outlier.retry_after) == (False, 2, None)


async def test_it_comes_back_after_a_while_with_nothing_counted(autojump_clock: trio.testing.MockClock) -> None:
    """RES-53, TST-C10: base 1 s; the next call after that is served, and the count is 0."""
    outlier = an_outlier(consecutive_errors=2, base_ejection_seconds=1)
    run(outlier, BAD, BAD)

    await trio.sleep(0.999)
    assert (run(outlier, OK), outlier.consecutive) == (0, 2)
    await trio.sleep(0.001)
    assert run(outlier, BAD) == 1
    assert (outlier.is_ejected, outlier.consecutive) == (False, 1)


async def test_without_a_base_it_is_back_at_the_next_request(autojump_clock: trio.testing.MockClock) -> None:
    """RES-53."""
    outlier = an_outlier(consecutive_errors=2, base_ejection_seconds=0)

    assert run(outlier, *[BAD] * 6) == 6
    assert (outlier.ejections, outlier.is_ejected) == (3, False)


async def test_without_a_base_a_bad_interval_refuses_nobody_either(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=0, success_rate_threshold=1.0, minimum_calls=1, interval_seconds=10, base_ejection_seconds=0)
    run(outlier, BAD)
    await trio.sleep(10)

    assert run(outlier, BAD, BAD) == 2


async def test_zero_does_not_look_at_rows(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=0)
    assert run(outlier, *[BAD] * 1000) == 1000


async def test_what_began_before_an_ejection_does_not_count_after_it(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=2, base_ejection_seconds=10)
    old = outlier.admit(0.0)
    run(outlier, BAD, BAD)

    for at in (5.0, 10.0, 11.0):
        outlier.record(old, at, BAD)
        outlier.record(old, at, BAD)
    assert (outlier.ejections, outlier.consecutive) == (1, 0)


async def test_a_late_success_does_not_end_a_row_that_it_did_not_see(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=2, base_ejection_seconds=10)
    old = outlier.admit(0.0)
    run(outlier, BAD, BAD)
    await trio.sleep(10)
    run(outlier, BAD)
    outlier.record(old, 10.0, OK)

    assert outlier.consecutive == 1


# -- growing


async def test_each_ejection_is_longer_than_the_last_one_up_to_the_longest(autojump_clock: trio.testing.MockClock) -> None:
    """RES-54, LIM-50."""
    outlier = an_outlier(consecutive_errors=1, base_ejection_seconds=30, max_ejection_seconds=100, interval_seconds=10)
    seconds = []
    for _ in range(5):
        run(outlier, BAD)
        seconds.append(outlier.retry_after)
        assert seconds[-1] is not None
        await trio.sleep(seconds[-1])

    assert seconds == [30, 60, 90, 100, 100]


@pytest.mark.parametrize(("pause", "seconds"), [(0, 120), (9.9, 120), (10, 90), (25, 60), (30, 30), (3000, 30)])
async def test_each_interval_without_an_ejection_takes_one_back(
    pause: float, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    """Three so far make the fourth four times as long, but for the intervals since the third was over."""
    outlier = an_outlier(consecutive_errors=1, base_ejection_seconds=30, interval_seconds=10)
    for _ in range(3):
        run(outlier, BAD)
        await trio.sleep(outlier.retry_after or 0)
    await trio.sleep(pause)
    run(outlier, BAD)

    assert outlier.retry_after == pytest.approx(seconds)


# -- the rate in an interval


async def test_too_few_successes_eject_it_at_the_end_of_the_interval(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=0, success_rate_threshold=0.5, minimum_calls=10, interval_seconds=10, base_ejection_seconds=30)
    assert run(outlier, *[BAD] * 9, OK) == 10
    await trio.sleep(9.9)
    assert not outlier.is_ejected

    await trio.sleep(0.1)
    assert (outlier.is_ejected, outlier.retry_after) == (True, 30.0)


async def test_exactly_as_many_successes_as_needed_are_enough(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=0, success_rate_threshold=0.5, minimum_calls=10, interval_seconds=10)
    run(outlier, *[BAD, OK] * 5)
    await trio.sleep(10)
    assert not outlier.is_ejected


async def test_with_few_calls_the_rate_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=0, success_rate_threshold=1.0, minimum_calls=10, interval_seconds=10)
    for _ in range(3):
        run(outlier, *[BAD] * 9)
        await trio.sleep(10)
        assert not outlier.is_ejected


async def test_the_outcome_that_finds_the_interval_over_belongs_to_the_next_one(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=0, success_rate_threshold=0.5, minimum_calls=2, interval_seconds=10)
    life = outlier.admit(0.0)
    run(outlier, OK)
    await trio.sleep(10)
    outlier.record(life, 10.0, BAD)
    run(outlier, BAD)
    await trio.sleep(9)
    assert not outlier.is_ejected
    await trio.sleep(1)
    assert outlier.is_ejected


async def test_an_ejection_by_the_rate_counts_from_the_end_of_its_interval(autojump_clock: trio.testing.MockClock) -> None:
    """Also if nobody looked before; and what would be over by then is none."""
    outlier = an_outlier(consecutive_errors=0, success_rate_threshold=0.5, minimum_calls=1, interval_seconds=10, base_ejection_seconds=30)
    run(outlier, BAD)
    await trio.sleep(25)
    assert (outlier.retry_after, outlier.ejections) == (15.0, 1)

    await trio.sleep(1000)
    run(outlier, BAD)
    await trio.sleep(40)
    assert (outlier.is_ejected, outlier.ejections) == (False, 1)


async def test_a_row_of_failures_ejects_in_the_middle_of_an_interval(autojump_clock: trio.testing.MockClock) -> None:
    outlier = an_outlier(consecutive_errors=3, success_rate_threshold=0.5, minimum_calls=3, interval_seconds=10, base_ejection_seconds=5)
    run(outlier, BAD, BAD, BAD)
    seen = [outlier.is_ejected]
    for _ in range(2):
        await trio.sleep(5)
        seen.append(outlier.is_ejected)

    assert (seen, outlier.ejections) == ([True, False, False], 1)


# -- the group


async def test_half_of_two_is_one(autojump_clock: trio.testing.MockClock) -> None:
    """RES-51, RES-52, TST-C9, TST-U20: the first is ejected, the second never; each of its five errors reaches it."""
    first, second = a_group(2, consecutive_errors=3, max_ejection_percent=50)

    assert (run(first, *[BAD] * 5), run(second, *[BAD] * 5)) == (3, 5)
    assert (ejected([first, second]), second.consecutive) == ([True, False], 5)


async def test_where_the_group_is_full_each_further_error_tries_again(autojump_clock: trio.testing.MockClock) -> None:
    """RES-52."""
    first, second = a_group(2, consecutive_errors=2, base_ejection_seconds=10)
    run(first, BAD, BAD)
    run(second, BAD, BAD, BAD)
    await trio.sleep(10)
    assert not second.is_ejected

    run(second, BAD)
    assert (ejected([first, second]), second.consecutive) == ([False, True], 4)


@pytest.mark.parametrize(
    ("size", "percent", "most"),
    [(1, 50, 1), (1, 0, 0), (2, 50, 1), (2, 100, 2), (3, 34, 1), (3, 67, 2), (4, 0, 0), (4, 1, 1), (5, 50, 2), (10, 29, 2), (100, 29, 29)],
)
async def test_so_many_of_a_group_may_be_out(size: int, percent: float, most: int, autojump_clock: trio.testing.MockClock) -> None:
    """RES-51, TST-U20: rounded down, but at least one unless the percentage is 0."""
    members = a_group(size, consecutive_errors=1, max_ejection_percent=percent)
    for member in members:
        run(member, BAD, BAD)

    assert sum(ejected(members)) == most == members[0].group.most


async def test_the_largest_percentage_of_the_members_holds_for_all(autojump_clock: trio.testing.MockClock) -> None:
    """RES-51."""
    group = Group()
    members = [an_outlier(group, f"files{percent}", consecutive_errors=1, max_ejection_percent=percent) for percent in (0, 100, 10)]
    assert group.most == 3

    members[1].leave()
    assert group.most == 1
    members[2].leave()
    assert group.most == 0


async def test_who_leaves_takes_its_place_along(autojump_clock: trio.testing.MockClock) -> None:
    """RES-55, LIM-50: a slot of a backend that was removed while it was ejected is free again."""
    first, second, third, fourth = a_group(4, consecutive_errors=1)
    run(first, BAD)
    run(second, BAD)
    first.leave()
    first.leave()
    assert fourth.group.most == 1

    second.uneject()
    run(third, BAD)
    assert ejected([second, third, fourth]) == [False, True, False]


async def test_who_has_left_ejects_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """Calls that are on their way to a backend that is replaced may still fail."""
    first, second = a_group(2, consecutive_errors=1)
    first.leave()
    run(first, BAD, BAD)

    assert (first.is_ejected, first.ejections, second.group.out(0.0)) == (False, 0, [])


async def test_a_group_that_shrinks_is_not_left_with_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """At no moment more are out than may be; who would have come back first does."""
    first, second, third, fourth = a_group(4, consecutive_errors=1)
    run(first, BAD)
    await trio.sleep(1)
    run(second, BAD)
    third.leave()
    assert ejected([first, second]) == [False, True]

    fourth.leave()
    assert ejected([first, second]) == [False, True]


async def test_one_that_is_built_anew_does_not_count_twice(autojump_clock: trio.testing.MockClock) -> None:
    """RES-56, LIM-6: the new one is in the group of the old one, in its place, whichever of them goes or comes first."""
    old, other = a_group(2, consecutive_errors=1)
    run(old, BAD)
    new = an_outlier(old.group, old.name, consecutive_errors=1)
    assert (new.group.most, ejected([new, other])) == (1, [False, False])
    run(other, BAD)
    old.leave()

    run(new, BAD)
    assert ejected([new, other]) == [False, True]
    old.record(1, 0.0, BAD)
    assert new.group.most == 1


async def test_a_new_one_with_a_smaller_percentage_brings_back_who_is_too_many(autojump_clock: trio.testing.MockClock) -> None:
    group = Group()
    members = [an_outlier(group, f"files{number}", consecutive_errors=1, max_ejection_percent=100 - number) for number in range(3)]
    for member in members[1:]:
        run(member, BAD)
        await trio.sleep(1)
    assert ejected(members) == [False, True, True]

    an_outlier(group, "files0", max_ejection_percent=50)
    members[1].leave()
    assert [group.most, members[2].is_ejected] == [1, True]
    an_outlier(group, "files2", max_ejection_percent=0)
    an_outlier(group, "files0", max_ejection_percent=0)
    assert (group.most, group.out(trio.current_time())) == (0, [])


# -- by hand


async def test_it_can_be_ejected_by_hand_whatever_the_group(autojump_clock: trio.testing.MockClock) -> None:
    """RES-55, LIM-50: until it is let in by hand; it takes a place in the group, and makes no later ejection longer."""
    first, second = a_group(2, consecutive_errors=1, base_ejection_seconds=30)
    run(first, BAD)
    second.eject()
    assert (ejected([first, second]), second.retry_after, second.ejections) == ([True, True], None, 0)

    await trio.sleep(10_000)
    run(first, BAD)
    assert ejected([first, second]) == [False, True]
    second.uneject()
    run(second, BAD)
    assert (ejected([first, second]), second.retry_after) == ([False, True], 30.0)


async def test_it_can_be_let_in_by_hand(autojump_clock: trio.testing.MockClock) -> None:
    """RES-55, LIM-50."""
    outlier = an_outlier(consecutive_errors=2, base_ejection_seconds=30)
    outlier.uneject()  # it is not out
    run(outlier, BAD, BAD)
    await trio.sleep(1)
    outlier.uneject()

    assert (outlier.is_ejected, outlier.consecutive, outlier.retry_after) == (False, 0, None)
    run(outlier, BAD, BAD)
    assert outlier.retry_after == 60.0


async def test_one_that_was_put_out_by_hand_stays_out_when_its_group_shrinks(autojump_clock: trio.testing.MockClock) -> None:
    first, second, third = a_group(3, consecutive_errors=1)
    first.eject()
    second.eject()
    third.leave()
    assert ejected([first, second]) == [True, True]


async def test_going_and_coming_is_told_to_the_log(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    outlier = an_outlier(consecutive_errors=2, base_ejection_seconds=30)
    with caplog.at_level(logging.INFO):
        run(outlier, BAD, BAD)
        await trio.sleep(30)
        assert not outlier.is_ejected

    assert [(record.levelname, record.__dict__["backend"]) for record in caplog.records] == [("WARNING", "files"), ("INFO", "files")]
    assert caplog.records[0].__dict__["seconds"] == 30.0


@pytest.mark.parametrize(
    ("key", "value"), [("consecutive_errors", -1), ("success_rate_threshold", 1.1), ("interval_seconds", 0), ("max_ejection_percent", 101)]
)
def test_numbers_without_sense_are_refused(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        OutlierSettings(**{key: value})  # type: ignore[arg-type]
