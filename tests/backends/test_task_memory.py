"""What is remembered of tasks is bounded, and what is forgotten is not taken for what was never there."""

from __future__ import annotations

from itertools import count

import pytest
import trio.testing

from sluicegate.backends.link import Link
from sluicegate.backends.stdio import StdioConnector
from sluicegate.backends.task_memory import MOST_REMEMBERED, TaskMemory
from sluicegate.protocol.calls import Caller
from sluicegate.protocol.eras import NEWEST
from sluicegate.protocol.task_ids import LocalTask

ANN, BOB = Caller(NEWEST, session="ann"), Caller(NEWEST, session="bob")


@pytest.mark.parametrize("more", [0, 1])
async def test_while_all_are_remembered_an_older_id_may_be_asked_for(more: int, autojump_clock: trio.testing.MockClock) -> None:
    link, names = Link("b", StdioConnector("b", "b")), count(1)
    memory = TaskMemory(lambda: str(next(names)))
    memory.add(link, "x", ANN)
    old = LocalTask(memory.life_of(link), "x")
    link.opened += 1
    assert memory.life_of(link) != old.life
    for number in range(MOST_REMEMBERED - 1):
        memory.add(link, str(number), BOB)
    assert memory.owner(old) is not None
    for number in range(1 + more):  # the first of which takes the place of what is over anyway
        memory.add(link, f"more {number}", BOB)
    assert memory.owner(old) is None
    assert memory.is_over(old, link) is bool(more)
    assert memory.is_over(LocalTask(old.life, "7"), link)
    link.opened += 1
    assert not memory.is_over(old, link)


async def test_an_id_that_is_given_to_somebody_else_begins_another_life(autojump_clock: trio.testing.MockClock) -> None:
    link, names = Link("b", StdioConnector("b", "b")), count(1)
    memory = TaskMemory(lambda: str(next(names)))
    memory.add(link, "x", ANN)
    anns = LocalTask(memory.life_of(link), "x")
    memory.add(link, "x", ANN)
    assert not memory.is_over(anns, link)
    memory.add(link, "x", BOB)
    bobs = LocalTask(memory.life_of(link), "x")
    assert (memory.is_over(anns, link), memory.is_over(bobs, link)) == (True, False)
    owner = memory.owner(bobs)
    assert owner is not None
    assert owner.is_caller(BOB)
