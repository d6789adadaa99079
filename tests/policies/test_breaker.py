"""The circuit breaker: its states, its window, its probes. How it is asked and told is in ``test_gate``."""

import logging

import pytest
import trio
import trio.testing

from sluicegate.policies.breaker import PATIENCE, Breaker, BreakerState
from sluicegate.policies.settings import BreakerSettings

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
FORCED_OPEN, FORCED_CLOSED = BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED
OK, BAD, LOST = False, True, None


def run(breaker: Breaker, *outcomes: bool | None, slow: bool = False) -> int:
    """So many calls one after the other as are let through; how many that were."""
    admitted = 0
    for outcome in outcomes:
        if permit := breaker.admit(trio.current_time()):
            admitted += 1
            breaker.record(permit, trio.current_time(), outcome, slow)
    return admitted


def a_breaker(**settings: float | None) -> Breaker:
    return Breaker("files", BreakerSettings(**settings))  # type: ignore[arg-type] # each test names numbers of its own


# -- closed


async def test_it_opens_exactly_at_the_minimum_of_calls(autojump_clock: trio.testing.MockClock) -> None:
    """RES-40, LIM-76, TST-U22: with ``minimum_calls = 5`` and nothing else the fifth failure opens it, and not the fourth."""
    breaker = a_breaker(minimum_calls=5)

    assert run(breaker, BAD, BAD, BAD, BAD) == 4
    assert breaker.state is CLOSED
    assert run(breaker, BAD, BAD) == 1
    assert breaker.state is OPEN


async def test_the_rate_is_looked_at_after_each_call_also_after_one_that_succeeded(autojump_clock: trio.testing.MockClock) -> None:
    """RES-40: two of four is half; nothing has to fail for it to be seen."""
    breaker = a_breaker(minimum_calls=4, failure_rate_threshold=0.5)
    run(breaker, BAD, BAD, OK)
    assert breaker.state is CLOSED

    run(breaker, OK)
    assert (breaker.state, breaker.failure_rate, breaker.calls) == (OPEN, 0.5, 4)


async def test_just_under_the_rate_it_stays_closed(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=10, failure_rate_threshold=0.3)
    run(breaker, *[BAD, BAD, *[OK] * 8] * 20)
    assert (breaker.state, breaker.failure_rate) == (CLOSED, 0.2)

    run(breaker, BAD, BAD, BAD)
    assert breaker.state is OPEN


async def test_a_long_healthy_time_does_not_make_it_slow_to_open(autojump_clock: trio.testing.MockClock) -> None:
    """RES-41, LIM-14: what is long ago has left the window."""
    breaker = a_breaker(minimum_calls=4)
    run(breaker, *[OK] * 10_000)

    assert run(breaker, *[BAD] * 10) == 2
    assert breaker.state is OPEN


async def test_a_window_may_hold_more_than_the_minimum_of_calls(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=2, window_calls=10)
    run(breaker, *[OK] * 10)
    run(breaker, *[BAD] * 4)
    assert (breaker.state, breaker.calls, breaker.failure_rate) == (CLOSED, 10, 0.4)

    run(breaker, BAD)
    assert breaker.state is OPEN


async def test_a_window_that_is_smaller_than_the_minimum_is_as_large_as_that(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=3, window_calls=1)
    assert run(breaker, BAD, BAD, BAD, BAD) == 3


async def test_a_window_by_time_forgets_what_is_older(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=3, window_seconds=10.0, failure_rate_threshold=1.0)
    run(breaker, OK, BAD, BAD)
    await trio.sleep(10)
    assert (breaker.calls, breaker.failure_rate) == (0, 0.0)

    run(breaker, BAD, BAD)
    assert breaker.state is CLOSED
    await trio.sleep(5)
    run(breaker, BAD)
    assert breaker.state is OPEN


async def test_slow_calls_open_it_also_if_none_failed(autojump_clock: trio.testing.MockClock) -> None:
    """LIM-14."""
    breaker = a_breaker(minimum_calls=4, slow_call_seconds=2.0, slow_call_rate_threshold=0.75)
    run(breaker, OK)
    run(breaker, OK, OK, slow=True)
    assert breaker.state is CLOSED

    run(breaker, LOST, slow=True)
    assert (breaker.state, breaker.slow_rate, breaker.failure_rate) == (OPEN, 0.75, 0.0)


async def test_what_nobody_can_tell_is_not_counted(autojump_clock: trio.testing.MockClock) -> None:
    """RES-44: calls that were cut or never sent."""
    breaker = a_breaker(minimum_calls=2)
    run(breaker, BAD, *[LOST] * 100)
    assert (breaker.state, breaker.calls) == (CLOSED, 1)

    run(breaker, BAD)
    assert breaker.state is OPEN


# -- open


async def test_open_it_refuses_until_the_wait_is_over(autojump_clock: trio.testing.MockClock) -> None:
    """RES-42, LIM-14."""
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=30.0)
    run(breaker, BAD)

    await trio.sleep(29.999)
    assert (run(breaker, OK), breaker.is_open, breaker.is_half_open) == (0, True, False)
    await trio.sleep(0.001)
    assert (breaker.is_open, breaker.is_half_open, breaker.state) == (False, True, OPEN)
    assert run(breaker, OK) == 1
    assert (breaker.is_half_open, breaker.state) == (True, HALF_OPEN)


async def test_it_says_how_long_it_will_refuse(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=30.0)
    said = [breaker.retry_after]
    run(breaker, BAD)
    for pause in (0, 12, 18):
        await trio.sleep(pause)
        said.append(breaker.retry_after)

    assert said == [None, 30.0, 18.0, None]


async def test_open_it_still_shows_what_has_opened_it(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=4)
    run(breaker, OK, OK, BAD, BAD)
    assert (breaker.calls, breaker.failure_rate) == (4, 0.5)


async def test_looking_at_it_changes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1.0)
    told: list[BreakerState] = []
    breaker.on_change = lambda one: told.append(one.state)
    run(breaker, BAD)
    await trio.sleep(1)

    for _ in range(3):
        seen = (breaker.state, breaker.is_open, breaker.is_half_open, breaker.retry_after, breaker.failure_rate, breaker.calls)
        assert seen == (OPEN, False, True, None, 1.0, 1)
    assert told == [OPEN]


async def test_a_call_that_was_let_through_before_it_opened_is_not_counted(autojump_clock: trio.testing.MockClock) -> None:
    """Neither in half-open nor after it has closed again: it tells how the backend was."""
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1.0, permitted_calls_in_half_open=2)
    old = [breaker.admit(0.0) for _ in range(6)]
    run(breaker, BAD)
    breaker.record(old[0], 0.5, BAD, False)
    assert breaker.opened == 1
    await trio.sleep(1)

    run(breaker, OK)
    breaker.record(old[1], 1.0, OK, False)
    breaker.record(old[2], 1.0, BAD, False)
    breaker.record(old[3], 1.0, LOST, False)
    assert breaker.state is HALF_OPEN
    assert breaker.admit(1.0)
    assert not breaker.admit(1.0)  # and gives back no permit that was not its own
    breaker.reset()
    breaker.record(old[4], 1.0, BAD, False)
    assert (breaker.state, breaker.calls) == (CLOSED, 0)


# -- half-open


async def test_so_many_successes_close_it_with_an_empty_window(autojump_clock: trio.testing.MockClock) -> None:
    """RES-43."""
    breaker = a_breaker(minimum_calls=2, wait_duration_seconds=1.0, permitted_calls_in_half_open=3)
    run(breaker, BAD, BAD)
    await trio.sleep(1)

    run(breaker, OK, OK)
    assert breaker.state is HALF_OPEN
    run(breaker, OK)
    assert (breaker.state, breaker.calls, breaker.opened) == (CLOSED, 0, 1)
    run(breaker, BAD)
    assert breaker.state is CLOSED


@pytest.mark.parametrize(("outcome", "slow"), [(BAD, False), (OK, True), (LOST, True)])
async def test_one_bad_probe_opens_it_anew(outcome: bool | None, slow: bool, autojump_clock: trio.testing.MockClock) -> None:
    """RES-43: a failure, and where slow calls are looked at a slow one, too; the wait begins again."""
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=10.0, permitted_calls_in_half_open=3, slow_call_seconds=1.0)
    run(breaker, BAD)
    await trio.sleep(10)
    run(breaker, OK, OK)
    run(breaker, outcome, slow=slow)

    assert (breaker.state, breaker.opened, breaker.retry_after) == (OPEN, 2, 10.0)


async def test_probes_under_way_and_done_are_never_more_than_permitted(autojump_clock: trio.testing.MockClock) -> None:
    """RES-43, LIM-14: the reference counts only those that are done, and so lets everybody through at once."""
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1.0, permitted_calls_in_half_open=3)
    run(breaker, BAD)
    await trio.sleep(1)

    permits = [breaker.admit(1.0) for _ in range(100)]
    assert sum(map(bool, permits)) == 3
    assert (breaker.is_open, breaker.retry_after) == (True, None)
    breaker.record(permits[0], 1.0, OK, False)
    assert not breaker.admit(1.0)


async def test_a_probe_that_tells_nothing_makes_room_for_another(autojump_clock: trio.testing.MockClock) -> None:
    """RES-44: its permit is given back, and it counts neither for nor against closing."""
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1.0, permitted_calls_in_half_open=2)
    run(breaker, BAD)
    await trio.sleep(1)

    assert run(breaker, *[LOST] * 10, OK, *[LOST] * 10) == 21
    assert breaker.state is HALF_OPEN
    run(breaker, OK)
    assert breaker.state is CLOSED


async def test_probes_that_never_end_do_not_shut_the_backend_out_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    """Calls need not have a deadline. The old probes still count when they end, but give back no permit that is not theirs any more."""
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=1.0, permitted_calls_in_half_open=2)
    run(breaker, BAD)
    await trio.sleep(1)
    hanging = [breaker.admit(trio.current_time()) for _ in range(2)]
    await trio.sleep(PATIENCE - 0.001)
    assert (breaker.is_open, breaker.admit(trio.current_time())) == (True, 0)

    await trio.sleep(0.001)
    assert not breaker.is_open
    fresh = [breaker.admit(trio.current_time()) for _ in range(3)]
    assert [bool(permit) for permit in fresh] == [True, True, False]
    breaker.record(hanging[0], trio.current_time(), LOST, False)
    assert not breaker.admit(trio.current_time())
    breaker.record(hanging[1], trio.current_time(), OK, False)
    breaker.record(fresh[0], trio.current_time(), OK, False)
    assert breaker.state is CLOSED


async def test_patience_with_probes_is_as_long_as_a_long_wait(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=100.0, permitted_calls_in_half_open=1)
    run(breaker, BAD)
    await trio.sleep(100)
    assert breaker.admit(100.0)

    assert not breaker.admit(199.9)
    assert breaker.admit(200.0)


async def test_without_a_wait_the_next_call_is_a_probe(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=1, wait_duration_seconds=0.0, permitted_calls_in_half_open=1)
    run(breaker, BAD)
    assert (breaker.state, breaker.is_open) == (OPEN, False)

    assert run(breaker, OK) == 1
    assert breaker.state is CLOSED


# -- by hand, and told


async def test_it_can_be_forced_open(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(wait_duration_seconds=1.0)
    breaker.force_open()
    await trio.sleep(1000)

    assert (run(breaker, OK), breaker.is_open, breaker.is_half_open, breaker.retry_after) == (0, True, False, None)
    assert (breaker.state, breaker.opened) == (FORCED_OPEN, 0)


async def test_it_can_be_forced_closed_and_still_counts(autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=4)
    breaker.force_closed()

    assert run(breaker, OK, *[BAD] * 99) == 100
    assert (breaker.state, breaker.is_open, breaker.failure_rate, breaker.opened) == (FORCED_CLOSED, False, 1.0, 0)


@pytest.mark.parametrize("force", [Breaker.force_open, Breaker.force_closed])
async def test_after_a_reset_it_is_as_new(force: object, autojump_clock: trio.testing.MockClock) -> None:
    breaker = a_breaker(minimum_calls=2)
    run(breaker, BAD, BAD)
    assert callable(force)
    force(breaker)
    breaker.reset()

    assert (breaker.state, breaker.calls, breaker.is_open, breaker.retry_after) == (CLOSED, 0, False, None)
    run(breaker, BAD)
    assert breaker.state is CLOSED
    assert breaker.opened == 1


async def test_each_change_is_told_once(autojump_clock: trio.testing.MockClock) -> None:
    told: list[tuple[str, BreakerState]] = []
    breaker = Breaker(
        "files",
        BreakerSettings(minimum_calls=1, wait_duration_seconds=1.0, permitted_calls_in_half_open=2),
        lambda one: told.append((one.name, one.state)),
    )
    run(breaker, OK, BAD, BAD)
    await trio.sleep(1)
    run(breaker, OK, BAD)
    await trio.sleep(1)
    run(breaker, OK, OK, OK)
    breaker.reset()
    breaker.force_open()
    breaker.force_open()
    breaker.force_closed()
    breaker.reset()

    assert [state for _name, state in told] == [OPEN, HALF_OPEN, OPEN, HALF_OPEN, CLOSED, FORCED_OPEN, FORCED_CLOSED, CLOSED]
    assert {name for name, _state in told} == {"files"}


async def test_a_bug_in_who_is_told_hurts_nobody(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    def broken(breaker: Breaker) -> None:
        raise ValueError(breaker.name)

    breaker = Breaker("files", BreakerSettings(minimum_calls=1, wait_duration_seconds=1.0, permitted_calls_in_half_open=1), broken)
    with caplog.at_level(logging.ERROR):
        run(breaker, BAD)
        await trio.sleep(1)
        run(breaker, OK)

    assert breaker.state is CLOSED
    assert [record.__dict__["backend"] for record in caplog.records] == ["files"] * 3


@pytest.mark.parametrize(("force", "admits"), [(Breaker.force_open, False), (Breaker.reset, True), (Breaker.force_closed, True)])
async def test_who_is_told_may_change_it_at_once(force: object, admits: bool, autojump_clock: trio.testing.MockClock) -> None:
    def act(breaker: Breaker) -> None:
        if breaker.state is HALF_OPEN:
            assert callable(force)
            force(breaker)

    breaker = Breaker("files", BreakerSettings(minimum_calls=1, wait_duration_seconds=1.0), act)
    run(breaker, BAD)
    await trio.sleep(1)

    assert bool(breaker.admit(1.0)) is admits


def test_its_states_have_the_words_of_the_admin_view() -> None:
    """RES-45."""
    assert [(state.value, state.health) for state in (CLOSED, OPEN, HALF_OPEN)] == [
        ("Closed", "healthy"),
        ("Open", "unhealthy"),
        ("HalfOpen", "degraded"),
    ]
    assert [(state.value, state.health) for state in (FORCED_OPEN, FORCED_CLOSED)] == [
        ("ForcedOpen", "unhealthy"),
        ("ForcedClosed", "healthy"),
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("failure_rate_threshold", 0),
        ("failure_rate_threshold", 1.5),
        ("minimum_calls", 0),
        ("permitted_calls_in_half_open", 0),
        ("wait_duration_seconds", -1),
        ("slow_call_rate_threshold", 0),
    ],
)
def test_numbers_without_sense_are_refused(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        BreakerSettings(**{key: value})  # type: ignore[arg-type]
