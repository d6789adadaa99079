"""Cancelling at every checkpoint."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate.testing import ScriptedBackend, Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Delay


async def test_a_scenario_is_cut_after_each_of_its_steps_until_it_runs_through() -> None:
    reached: list[list[int]] = []

    async def scenario() -> str:
        reached.append([])
        for number in range(3):
            await trio.lowlevel.checkpoint()
            reached[-1].append(number)
        return "done"

    trials: list[Trial[str]] = []

    async def check(trial: Trial[str]) -> None:
        trials.append(trial)
        await trio.lowlevel.checkpoint()

    steps = await cancel_at_every_checkpoint(scenario, check)

    assert reached == [[], [0], [0, 1], [0, 1, 2]]
    assert [(trial.steps, trial.cut, trial.results) for trial in trials] == [
        (1, True, ()),
        (2, True, ()),
        (3, True, ()),
        (4, False, ("done",)),
    ]
    assert steps == 4


async def test_what_the_check_finds_tells_the_step() -> None:
    permits = 1

    async def takes_a_permit_and_may_lose_it() -> None:
        nonlocal permits
        await trio.lowlevel.checkpoint()
        permits -= 1
        await trio.lowlevel.checkpoint()
        permits += 1

    async def check(trial: Trial[None]) -> None:
        await trio.lowlevel.checkpoint()
        assert permits == 1

    with pytest.raises(AssertionError) as caught:
        await cancel_at_every_checkpoint(takes_a_permit_and_may_lose_it, check)
    assert caught.value.__notes__ == ["cancelled after step 2"]


async def test_a_scenario_that_never_ends_is_told() -> None:
    async def endless() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    with pytest.raises(AssertionError, match="did not run through within 20 steps"):
        await cancel_at_every_checkpoint(endless, most=20)


async def test_a_scripted_backend_hears_of_every_cut(autojump_clock: trio.testing.MockClock) -> None:
    from sluicegate import Builder

    backend = ScriptedBackend(Delay(1), name="b")
    async with Builder("x").backend("b", backend.connector).open() as gateway:
        await gateway.settled()
        await cancel_at_every_checkpoint(lambda: gateway.call_tool("b_echo"))
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.backends["b"].in_flight == 0
