"""What all calls together may use up beyond their first attempts."""

import random

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call

from sluicegate.policies.budget import Budget, Budgeted
from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import RetrySettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause, Fault

WINDOW = 10.0


def counted(budget: Budget, calls: int) -> Budget:
    for _ in range(calls):
        budget.count()
    return budget


def drawn_up(budget: Budget) -> int:
    """How many attempts it gives before it says no."""
    drawn = 0
    while drawn < 1000 and budget.draw():
        drawn += 1
    return drawn


@pytest.mark.parametrize(
    ("percent", "min_per_second", "calls", "expected"),
    [
        (20, 0, 100, 20),
        (20, 0, 104, 20),
        (20, 0, 105, 21),
        (29, 0, 100, 29),  # 29 / 100 * 100 is less than 29 in binary
        (20, 10, 0, 100),
        (20, 0.5, 100, 25),
        (1, 0, 30, 1),
        (0, 0, 1000, 1),
        (100, 0, 7, 7),
    ],
)
async def test_it_allows_a_share_of_the_calls_and_a_rate_and_at_least_one(
    percent: float, min_per_second: float, calls: int, expected: int, mock_clock: trio.testing.MockClock
) -> None:
    """RES-5, RES-6."""
    budget = counted(Budget(percent, min_per_second), calls)

    assert budget.left == expected
    assert drawn_up(budget) == expected
    assert (budget.calls, budget.drawn, budget.refused, budget.left) == (calls, expected, 1, 0)


async def test_a_call_counts_for_ten_seconds(mock_clock: trio.testing.MockClock) -> None:
    """RES-6: the window slides; it does not begin anew."""
    budget = counted(Budget(10, 0), 50)
    mock_clock.jump(6)
    counted(budget, 50)
    assert budget.left == 10

    mock_clock.jump(3.875)
    assert budget.left == 10
    mock_clock.jump(0.125)
    assert budget.left == 5
    mock_clock.jump(6)
    assert budget.left == 1


async def test_what_was_drawn_comes_back_after_ten_seconds_and_not_before(mock_clock: trio.testing.MockClock) -> None:
    """RES-6: an attempt drawn ten seconds ago still counts; an eighth of a second later it does not."""
    budget = Budget(0, 0)
    assert budget.draw()

    mock_clock.jump(10)
    assert not budget.draw()
    mock_clock.jump(0.125)
    assert budget.draw()


async def test_after_a_long_quiet_time_it_begins_from_nothing(mock_clock: trio.testing.MockClock) -> None:
    budget = counted(Budget(50, 0), 100)
    assert drawn_up(budget) == 50

    mock_clock.jump(1e6)
    assert drawn_up(budget) == 1


async def test_its_memory_does_not_grow_with_the_calls(mock_clock: trio.testing.MockClock) -> None:
    budget = Budget(10, 0)
    for _ in range(1000):
        mock_clock.jump(0.03)
        counted(budget, 10)
        budget.draw()

    assert len(budget._recent_calls._counts) == 80
    assert len(budget._recent_draws._counts) == 81


async def test_in_the_ten_seconds_before_any_draw_no_more_was_drawn_than_allowed(mock_clock: trio.testing.MockClock) -> None:
    """RES-5, RES-6: a property, over 200 seeds: attempts beyond the first ≤ max(1, ⌊percent of the calls⌋ + ⌊10 · min⌋)."""
    for seed in range(200):
        chance = random.Random(seed)
        percent, least = chance.choice([0, 1, 7.5, 20, 100]), chance.choice([0, 0.3, 1, 4])
        budget = Budget(percent, least)
        calls: list[float] = []
        draws: list[float] = []
        for _ in range(200):
            mock_clock.jump(chance.choice([0, 0.01, 0.125, chance.uniform(0, 1), chance.uniform(0, 12)]))
            now = trio.current_time()
            for _ in range(chance.randrange(20)):
                budget.count()
                calls.append(now)
            while chance.random() < 0.7 and budget.draw():
                draws.append(now)
                allowed = max(1, int(sum(now - WINDOW < at for at in calls) * percent / 100) + int(least * WINDOW))
                assert sum(now - WINDOW <= at for at in draws) <= allowed, f"seed {seed}"


async def failing(call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.failed(Fault(Cause.BACKEND, -32603, "down"))


async def test_a_budget_caps_attempts_under_sustained_failure(autojump_clock: trio.testing.MockClock) -> None:
    """TST-C6: one percent, no rate, three retries, thirty calls: a few more than thirty attempts, not 120."""
    attempts = 0

    async def counting(call: Call) -> Reply:
        nonlocal attempts
        attempts += 1
        return await failing(call)

    budget = Budget(1.0, 0)
    retry = Retry(counting, RetrySettings(), lambda _call: True, random.Random(1))
    layer = Budgeted(retry, budget)
    for _ in range(30):
        assert (await layer(a_call())).fault is not None

    assert 30 < attempts <= 45
    assert (budget.calls, budget.drawn, retry.retried) == (30, attempts - 30, attempts - 30)
    assert (budget.refused, retry.exhausted) == (30, 30)


async def test_all_copies_of_a_call_share_its_budget(mock_clock: trio.testing.MockClock) -> None:
    """What failover draws is not there for a retry of the stand-in any more."""

    async def twice(call: Call) -> Reply:
        allowances = [call.copy().trail.allowance, call.copy().trail.allowance]
        assert [allowance is not None and allowance.draw() for allowance in allowances] == [True, False]
        return await failing(call)

    await Budgeted(twice, Budget(0, 0))(a_call())


async def test_a_call_without_a_budget_is_not_limited(mock_clock: trio.testing.MockClock) -> None:
    assert a_call().trail.allowance is None


@pytest.mark.parametrize(("percent", "least"), [(-1, 0), (1, -1)])
def test_a_negative_share_is_refused(percent: float, least: float) -> None:
    with pytest.raises(ValueError, match="must be >= 0"):
        Budget(percent, least)


async def test_the_answer_passes_unchanged(mock_clock: trio.testing.MockClock) -> None:
    reply = Reply.failed(faults.unavailable("files", "down"))

    async def answer(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return reply

    assert reply is await Budgeted(answer, Budget(10, 10))(a_call())
