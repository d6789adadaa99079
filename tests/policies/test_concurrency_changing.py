"""Other settings for places while calls have some of them: who is inside stays inside, and counts."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, ConfigError, Gateway
from sluicegate.policies.settings import ConcurrencySettings
from sluicegate.protocol.calls import Reply
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay

Clock = trio.testing.MockClock
Places = ConcurrencySettings


@attrs.define(eq=False)
class World:
    """One backend that takes a second for each call."""

    gateway: Gateway
    nursery: trio.Nursery
    replies: list[tuple[float, Reply]] = attrs.field(factory=list)
    most: int = 0
    """Calls that were at the backend at once."""

    async def call(self, number: int) -> None:
        """So many calls, one after the other in line."""
        for _ in range(number):
            self.nursery.start_soon(self._one)
            await trio.testing.wait_all_tasks_blocked()
            self.most = max(self.most, self.gateway.backends["b"].in_flight)

    async def _one(self) -> None:
        reply = await self.gateway.call_tool("b_echo")
        self.replies.append((trio.current_time(), reply))

    async def change(self, settings: ConcurrencySettings | None, **more: Any) -> None:
        (config,) = self.gateway.config.backends
        await self.gateway.apply([attrs.evolve(config, concurrency=settings, **more)])
        await trio.testing.wait_all_tasks_blocked()
        self.most = max(self.most, self.gateway.backends["b"].in_flight)

    @property
    def now(self) -> tuple[int, int]:
        """Places that are taken, and who waits."""
        places = self.gateway.policies["b"].concurrency
        assert places is not None
        return places.running, places.waiting


@asynccontextmanager
async def world(settings: ConcurrencySettings) -> AsyncGenerator[World]:
    backend = ScriptedBackend(*(Delay(1, Answer("x")) for _ in range(99)))
    async with Builder("x").backend("b", backend.connector, concurrency=settings).open() as gateway:
        await gateway.settled()
        async with trio.open_nursery() as nursery:
            yield World(gateway, nursery)


async def test_who_is_inside_counts_when_there_are_other_settings(autojump_clock: Clock) -> None:
    """A new policy with all places free let as many calls in again as were there, just when somebody made them fewer."""
    async with world(Places(3)) as here:
        await here.call(3)
        await here.change(Places(2))
        await here.call(2)
        assert (here.now, here.most) == ((3, 2), 3)
    assert [at for at, _ in here.replies] == [1, 1, 1, 2, 2]


async def test_with_fewer_places_those_who_leave_give_none_on_until_there_are_as_few(autojump_clock: Clock) -> None:
    async with world(Places(3)) as here:
        await here.call(5)
        await here.change(Places(1))
        assert here.now == (3, 2)
        await trio.sleep(1.5)
        assert here.now == (1, 1)
    assert [at for at, _ in here.replies] == [1, 1, 1, 2, 3]


async def test_with_more_places_those_who_wait_get_them_at_once_and_in_order(autojump_clock: Clock) -> None:
    async with world(Places(1)) as here:
        await here.call(4)
        assert here.now == (1, 3)
        await trio.sleep(0.5)
        await here.change(Places(3))
        assert here.now == (3, 1)
    assert [at for at, _ in here.replies] == [1, 1.5, 1.5, 2]


async def test_who_waits_in_vain_waits_as_long_as_was_said_when_he_came(autojump_clock: Clock) -> None:
    async with world(Places(1, queue_timeout_seconds=0.5)) as here:
        await here.call(2)
        await here.change(Places(1, queue_timeout_seconds=10))
        await here.call(1)
    assert [(at, reply.fault is None) for at, reply in here.replies] == [(0.5, False), (1, True), (2, True)]


async def test_a_change_that_fails_changes_nothing_of_them(autojump_clock: Clock) -> None:
    async with world(Places(2)) as here:
        await here.call(3)
        with pytest.raises(ConfigError, match="hide_tools"):
            await here.change(Places(9), hide_tools=("a",), expose_tools=("b",))
        assert here.now == (2, 1)


@pytest.mark.parametrize("seed", range(20))
async def test_however_often_it_changes_nobody_is_lost_and_never_more_are_inside_than_ever_were_allowed(
    seed: int, autojump_clock: Clock
) -> None:
    chance = random.Random(seed)
    async with world(Places(3, 99)) as here:
        most = 3
        for _ in range(12):
            await here.call(chance.randint(0, 4))
            await trio.sleep(chance.choice((0, 0.3, 1.0)))
            places = chance.randint(1, 5)
            most = max(most, places)
            await here.change(Places(places, 99))
            running, waiting = here.now
            assert not waiting or running >= places
    assert here.now == (0, 0)
    assert here.most <= most
    assert all(reply.fault is None for _, reply in here.replies)
