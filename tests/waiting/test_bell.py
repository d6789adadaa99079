"""One task waits, others wake it: nothing is lost, nothing is remembered, and any wait may be the last."""

from __future__ import annotations

from collections import deque

import pytest
import trio
import trio.testing

from sluicegate.testing import cancel_at_every_checkpoint
from sluicegate.testing.checkpoints import Trial
from sluicegate.waiting.bell import Bell


async def test_who_waits_is_woken_and_who_comes_later_is_not(nursery: trio.Nursery) -> None:
    bell, woken = Bell(), 0

    async def wait() -> None:
        nonlocal woken
        await bell.wait()
        woken += 1

    bell.ring()  # nobody hears it
    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    assert (woken, bell.waiter is not None) == (0, True)
    bell.ring()
    assert bell.waiter is None, "from the moment in which it rings"
    bell.ring()
    await trio.testing.wait_all_tasks_blocked()
    assert woken == 1
    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    assert woken == 1
    bell.ring()


async def test_a_second_one_who_would_never_be_woken_is_told_so(nursery: trio.Nursery) -> None:
    bell = Bell()
    nursery.start_soon(bell.wait)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(AssertionError, match="another task waits for this bell"):
        await bell.wait()
    bell.ring()


async def test_who_was_cancelled_waits_no_more_and_the_next_one_may(nursery: trio.Nursery) -> None:
    bell, woken = Bell(), trio.Event()
    with trio.CancelScope() as scope:
        nursery.start_soon(_soon, scope.cancel)
        await bell.wait()
    assert (scope.cancelled_caught, bell.waiter) == (True, None)
    bell.ring()

    async def wait() -> None:
        await bell.wait()
        woken.set()

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    bell.ring()
    await woken.wait()


async def _soon(do: object) -> None:
    await trio.testing.wait_all_tasks_blocked()
    assert callable(do)
    do()


@pytest.mark.parametrize("first", ["ring", "cancel"])
async def test_who_is_woken_and_cancelled_at_once_ends_one_way_or_the_other(first: str, nursery: trio.Nursery) -> None:
    """As with Trio's own waits: what happened first counts, and the other is not lost."""
    bell, went_on = Bell(), False
    with trio.CancelScope() as scope:
        deeds = [bell.ring, scope.cancel]
        nursery.start_soon(_soon, lambda: [deed() for deed in (deeds if first == "ring" else reversed(deeds))])
        await bell.wait()
        went_on = True
        await trio.lowlevel.checkpoint()
        raise AssertionError("it was cancelled")
    assert (went_on, scope.cancelled_caught, bell.waiter) == (first == "ring", True, None)


async def test_it_is_a_checkpoint(nursery: trio.Nursery) -> None:
    bell = Bell()
    with trio.CancelScope() as scope, trio.testing.assert_checkpoints():
        scope.cancel()
        await bell.wait()
    assert (scope.cancelled_caught, bell.waiter) == (True, None)
    nursery.start_soon(_soon, bell.ring)
    with trio.testing.assert_checkpoints():
        await bell.wait()


async def test_work_that_is_handed_over_by_a_bell_survives_a_cancellation_at_every_checkpoint() -> None:
    """A worker is cut after each of its steps; its successor takes up what is left, and nothing is done twice."""
    bell: Bell
    work: deque[int]
    done: list[int]

    async def worker() -> None:
        while len(done) < 6:
            while not work:
                await bell.wait()
            done.append(work.popleft())
            await trio.lowlevel.checkpoint()

    async def scenario() -> None:
        nonlocal bell, work, done
        bell, work, done = Bell(), deque(), []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker)
            for pair in range(3):
                await trio.testing.wait_all_tasks_blocked()
                for number in (2 * pair, 2 * pair + 1):
                    work.append(number)
                    bell.ring()

    async def check(trial: Trial[None]) -> None:
        assert bell.waiter is None
        assert done == list(range(len(done)))
        if trial.cut and len(done) < 6:
            given = len(done) + len(work)
            with trio.CancelScope() as scope:  # the successor, which waits again once it has done what there was
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(worker)
                    await trio.testing.wait_all_tasks_blocked()
                    assert done == list(range(given))
                    work.extend(range(given, 6))
                    bell.ring()
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
        assert done == list(range(6))

    assert await cancel_at_every_checkpoint(scenario, check) >= 5
