"""Things for very many: a few at a time, in order, each once."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import trio
import trio.testing

from sluicegate.frontends.chores import Chores

# The numbers that are promised. Taken from the source they would move with it.
FEW = 128
PAUSE_SECONDS = 0.001


async def test_a_few_things_are_done_at_once() -> None:
    done: list[int] = []

    Chores().do([partial(done.append, number) for number in range(FEW)])

    assert done == list(range(FEW))


async def test_what_goes_beyond_is_done_later_and_in_order(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    chores, done = Chores(), list[int]()
    nursery.start_soon(chores.run)
    await trio.testing.wait_all_tasks_blocked()

    chores.do([partial(done.append, number) for number in range(3 * FEW + 1)])
    chores.do([partial(done.append, -1)])
    counts = [len(done)]
    while done[-1] != -1:
        await trio.sleep(PAUSE_SECONDS / 2)
        counts.append(len(done))

    assert done == [*range(3 * FEW + 1), -1]
    assert 3 * PAUSE_SECONDS <= trio.current_time() <= 4 * PAUSE_SECONDS
    assert max(after - before for before, after in pairwise(counts)) == FEW


async def test_what_is_waiting_already_is_not_queued_twice(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    rung: list[object] = []

    class Bell:
        def ring(self) -> None:
            rung.append(self)

    chores, bells = Chores(), [Bell() for _ in range(2 * FEW)]
    for _ in range(100):
        chores.do([bell.ring for bell in bells])
    nursery.start_soon(chores.run)
    await trio.sleep(1)

    assert [rung.count(bell) for bell in bells] == [2] * FEW + [1] * FEW, "some at once, and then each of them once"


async def test_what_is_left_when_it_is_cancelled_is_done_when_it_runs_again(autojump_clock: trio.testing.MockClock) -> None:
    chores, done = Chores(), list[int]()
    chores.do([partial(done.append, number) for number in range(10 * FEW)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(chores.run)
        await trio.sleep(3 * PAUSE_SECONDS)
        nursery.cancel_scope.cancel()
    assert len(done) < 10 * FEW
    with trio.move_on_after(1):
        await chores.run()

    assert done == list(range(10 * FEW))
