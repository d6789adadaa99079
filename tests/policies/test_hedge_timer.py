"""One task that knows when the copies of all calls are due. In virtual time."""

from __future__ import annotations

import gc
import random
import weakref

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call

from sluicegate.policies.hedge import Hedge
from sluicegate.policies.hedge_timer import FEW_STALE, HedgeTimer
from sluicegate.policies.settings import HedgeSettings
from sluicegate.protocol.calls import Call, Handler, Reply

Clock = trio.testing.MockClock


async def quick(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply()


async def slow(_call: Call) -> Reply:
    await trio.sleep(100)
    return Reply()


def hedge_of(inner: Handler, delay: float, timer: HedgeTimer, background: trio.Nursery, *, copies: int = 1) -> Hedge:
    return Hedge(inner, HedgeSettings(1000 * delay, max_hedges=copies), lambda _call: True, lambda: True, timer, background)


async def test_before_a_copy_is_due_there_is_no_task_but_the_timers(autojump_clock: Clock) -> None:
    async with trio.open_nursery() as background, trio.open_nursery() as calls:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        for _ in range(10):
            calls.start_soon(hedge_of(slow, 1, timer, background), a_call())
        await trio.sleep(0.9)
        assert (len(background.child_tasks), timer.planned, timer.woken) == (1, 10, 0)
        await trio.sleep(0.2)
        assert (len(background.child_tasks), timer.planned, timer.woken) == (11, 0, 1)
        background.cancel_scope.cancel()


async def test_it_looks_when_something_is_due_and_not_before(autojump_clock: Clock) -> None:
    """Ten calls, due an eighth of a second apart."""
    async with trio.open_nursery() as background, trio.open_nursery() as calls:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        for _ in range(10):
            calls.start_soon(hedge_of(slow, 5, timer, background), a_call())
            await trio.sleep(0.125)
        await trio.sleep(3.7)
        assert (timer.woken, timer.planned) == (0, 10)
        await trio.sleep(0.1)
        for number in range(1, 11):
            assert (timer.woken, timer.planned) == (number, 10 - number)
            await trio.sleep(0.125)
        await trio.sleep(50)
        assert timer.woken == 10
        background.cancel_scope.cancel()


async def test_calls_that_end_in_time_wake_it_at_most_once_a_delay(autojump_clock: Clock) -> None:
    """1000 calls in ten seconds, none of which is slow; and then nothing wakes it any more."""
    async with trio.open_nursery() as background:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        hedge = hedge_of(quick, 0.2, timer, background)
        for _ in range(1000):
            await hedge(a_call())
            await trio.sleep(0.01)
        assert timer.woken <= 10 / 0.2
        before = timer.woken
        await trio.sleep(1000)
        assert timer.woken <= before + 1
        background.cancel_scope.cancel()


async def test_an_earlier_moment_is_not_missed_for_a_later_one(autojump_clock: Clock) -> None:
    """Hedges of different backends have different delays; one timer serves all."""
    began = []

    async def noted(_call: Call) -> Reply:
        began.append(trio.current_time())
        await trio.sleep(100)
        return Reply()

    async with trio.open_nursery() as background, trio.open_nursery() as calls:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        for delay in (5, 1, 3, 1.5):
            calls.start_soon(hedge_of(noted, delay, timer, background), a_call())
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(50)
        assert began == [0, 0, 0, 0, 1, 1.5, 3, 5]
        background.cancel_scope.cancel()


async def test_what_was_planned_before_it_runs_is_not_lost(autojump_clock: Clock) -> None:
    async with trio.open_nursery() as background, trio.open_nursery() as calls:
        timer = HedgeTimer()
        hedge = hedge_of(slow, 1, timer, background)
        calls.start_soon(hedge, a_call())
        await trio.testing.wait_all_tasks_blocked()
        background.start_soon(timer.run)
        await trio.sleep(1.5)
        assert hedge.running == 1
        background.cancel_scope.cancel()


async def test_a_finished_call_is_let_go_at_once(autojump_clock: Clock) -> None:
    """However long the delay: nothing holds it, no circle either."""
    async with trio.open_nursery() as background:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        hedge = hedge_of(quick, 3600, timer, background)
        gc.disable()
        try:
            call = a_call()
            gone = weakref.ref(call)
            await hedge(call)
            del call
            assert gone() is None
        finally:
            gc.enable()
        background.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(5))
async def test_its_memory_is_bounded_by_the_calls_that_run(seed: int, autojump_clock: Clock) -> None:
    """A delay of an hour, and 5000 calls within it, of which at most 50 at a time."""
    chance = random.Random(seed)

    async def any_time(_call: Call) -> Reply:
        await trio.sleep(chance.uniform(0, 1))
        return Reply()

    async def caller() -> None:
        for _ in range(100):
            await hedge(a_call())
            assert timer.planned <= 50
            assert timer.places <= FEW_STALE + 2 * 50

    async with trio.open_nursery() as background:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        hedge = hedge_of(any_time, 3600, timer, background)
        async with trio.open_nursery() as callers:
            for _ in range(50):
                callers.start_soon(caller)
        assert (timer.planned, timer.woken) == (0, 0)
        background.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(5))
async def test_clearing_away_those_that_have_ended_changes_no_moment(seed: int, autojump_clock: Clock) -> None:
    """Slow calls with delays of their own, and between them so many quick ones that their places are cleared away again and again."""
    chance = random.Random(seed)
    due, began = [], []

    async def noted(_call: Call) -> Reply:
        began.append(trio.current_time())
        await trio.sleep(100)
        return Reply()

    async with trio.open_nursery() as background, trio.open_nursery() as calls:
        timer = HedgeTimer()
        background.start_soon(timer.run)
        for _ in range(20):
            delay = chance.uniform(1, 50)
            due.append(delay)
            calls.start_soon(hedge_of(noted, delay, timer, background), a_call())
            for _ in range(20):
                await hedge_of(quick, chance.uniform(60, 90), timer, background)(a_call())
        await trio.sleep(55)
        assert began == pytest.approx([0] * 20 + sorted(due))
        background.cancel_scope.cancel()
