"""What is kept for one client alone: it runs in a nursery that is there while something lives in it, and ends with the session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.lowlevel
import trio.testing

from sluicegate.frontends.client_home import ClientHome
from sluicegate.frontends.subscribed import Subscriptions
from sluicegate.protocol.question import Question
from sluicegate.routing.directory import Directory

Clock = trio.testing.MockClock


@asynccontextmanager
async def a_home() -> AsyncGenerator[tuple[ClientHome, trio.Nursery], None]:
    async with trio.open_nursery() as nursery:
        yield ClientHome(("ann", ""), nursery, Subscriptions(Directory())), nursery
        nursery.cancel_scope.cancel()


class Resident:
    """Lives for so many seconds, and takes its time to go."""

    def __init__(self, seconds: float = float("inf")) -> None:
        self.seconds, self.began, self.ended = seconds, False, False

    async def __call__(self) -> None:
        self.began = True
        try:
            await trio.sleep(self.seconds)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            self.ended = True


async def test_a_nursery_is_there_only_while_something_lives_in_it(autojump_clock: Clock) -> None:
    async with a_home() as (home, sessions):
        assert not sessions.child_tasks
        for _ in range(2):
            first, second = Resident(5), Resident(8)
            assert home.keep(first)
            assert home.keep(second)
            await trio.sleep(0.1)
            assert len(sessions.child_tasks) == 1
            assert home.keep(third := Resident(6))
            await trio.sleep(20)
            assert [one.ended for one in (first, second, third)] == [True] * 3
            assert not sessions.child_tasks


@pytest.mark.parametrize("seconds", [0, 1])
async def test_the_end_of_the_session_ends_all_that_lives_there_and_takes_nobody_in(seconds: float, autojump_clock: Clock) -> None:
    async with a_home() as (home, sessions):
        residents = [Resident(), Resident()]
        for resident in residents:
            home.keep(resident)
        if seconds:
            await trio.sleep(seconds)
        home.end()
        home.end()
        late = Resident()
        assert not home.keep(late)
        await trio.sleep(2)
        assert [(resident.began, resident.ended) for resident in residents] == [(True, True)] * 2
        assert not late.began
        assert not sessions.child_tasks


async def test_whoever_comes_while_the_last_one_goes_is_taken_in(autojump_clock: Clock) -> None:
    async with a_home() as (home, _sessions):
        last = Resident(5)
        home.keep(last)
        with trio.fail_after(100):
            while not last.ended:
                await trio.sleep(0.25)
                home.keep(Resident(0.1))
        await trio.lowlevel.checkpoint()
        assert home.keep(after := Resident(1))
        await trio.sleep(5)
        assert after.ended


async def test_where_no_way_leads_to_the_client_nobody_is_asked(autojump_clock: Clock) -> None:
    async with a_home() as (home, _sessions):
        home.note(b"{}")
        fault = home.ask(Question("roots/list", {}, lambda _reply: None))
        assert fault is not None
        assert "session has ended" in fault.message
