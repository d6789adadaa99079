"""Any await may be the last: a call through every policy is cut after its first, second, third … step, and leaves nothing behind (TST-G11).

Cut from outside, as when the program around it is cancelled, and at its own scope, as when its caller cancels it. Afterwards the gateway
does with further calls what one does on which there was no such call.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, Call, Gateway, Reply
from sluicegate.config.model import TimeoutSettings
from sluicegate.policies.breaker import BreakerState
from sluicegate.policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HealthSettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from sluicegate.protocol.messages import Raw
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.fixtures import Seeded
from sluicegate.testing.leaks import no_leaks
from sluicegate.testing.script import Answer, Delay, DropAnswer, Hang, Note, Reset, RpcError, Step, ToolFails

Clock = trio.testing.MockClock
MOST_STEPS = 200
LONG = 303.3
"""Seconds after which every deadline, wait and window is over; no ping is under way then."""
WELL = Delay(0.2, Answer("well"))
FULL: dict[str, Any] = {
    "timeout": TimeoutSettings(seconds=30, per_attempt_seconds=4),
    "retry": RetrySettings(max_retries=2, initial_backoff_ms=1000, budget_percent=100),
    "hedging": HedgeSettings(delay_ms=1000, max_hedges=2),
    "circuit_breaker": BreakerSettings(minimum_calls=4, wait_duration_seconds=20, permitted_calls_in_half_open=2),
    "outlier_detection": OutlierSettings(consecutive_errors=4, base_ejection_seconds=20),
    "rate_limit": RateLimitSettings(6, period_seconds=3, max_wait_seconds=2),
    "concurrency": ConcurrencySettings(3, max_queue=4),
    "health": HealthSettings(interval_seconds=150),
}
NAMES = ("b", "trial", "spare", "shadow")


@attrs.define(eq=False)
class World:
    """A gateway whose backends all have every policy."""

    gateway: Gateway
    backends: dict[str, ScriptedBackend]
    others: trio.Nursery
    """Where calls run that are not the one which is cut."""

    async def call(self) -> Reply:
        return await self.gateway.call_tool("b_echo")

    def occupy(self, calls: int) -> None:
        for _ in range(calls):
            self.others.start_soon(self.call)


@asynccontextmanager
async def open_world(sources: Sources) -> AsyncGenerator[World, None]:
    tool = {"name": "echo", "annotations": {"readOnlyHint": True}}
    backends = {name: ScriptedBackend(WELL, name=name, tools=[tool]) for name in NAMES}
    place: dict[str, dict[str, Any]] = {
        "b": {},
        "trial": {"canary_of": "b", "weight": 100, "canary_guard": {}},
        "spare": {"failover_for": "b"},
        "shadow": {"mirror_of": "b", "mirror_hidden": True, "mirror_compare": True},
    }
    limit = RateLimitSettings(20, period_seconds=10, max_wait_seconds=2)
    builder = Builder("x").proxy(rate_limit=limit)
    for name, backend in backends.items():
        builder.backend(name, backend.connector, **FULL, **place[name])
    async with builder.open(sources=sources) as gateway:
        await gateway.settled()
        async with trio.open_nursery() as others:
            yield World(gateway, backends, others)


# -- what the call meets


Setting = Callable[[World], Awaitable[None]]


def playing(*, b: tuple[Step, ...] = (WELL,), trial: tuple[Step, ...] | None = None, spare: tuple[Step, ...] = (WELL,)) -> Setting:
    """What the backends do with the call; without steps of its own the canary gets none."""

    async def setting(world: World) -> None:
        await trio.lowlevel.checkpoint()
        world.backends["b"].steps, world.backends["spare"].steps = b, spare
        world.backends["trial"].steps = trial or ()
        if trial is None:
            _breaker(world, "trial").force_open()

    return setting


def _breaker(world: World, name: str) -> Any:
    breaker = world.gateway.policies[name].breaker
    assert breaker is not None
    return breaker


async def queued(world: World) -> None:
    await playing(b=(Delay(0.9, Answer()),))(world)
    world.occupy(4)
    await trio.testing.wait_all_tasks_blocked()
    assert world.gateway.policies["b"].concurrency.waiting == 1  # type: ignore[union-attr]


async def rate_limited(world: World) -> None:
    await playing()(world)
    world.occupy(6)
    await trio.testing.wait_all_tasks_blocked()
    assert world.gateway.policies["b"].rate.bucket.due > trio.current_time()  # type: ignore[union-attr]


async def rate_limited_at_the_edge(world: World) -> None:
    await playing(trial=(Answer(),))(world)
    for _ in range(20):
        await world.gateway._endpoint.handle(Call("ping", "ping", {}))


async def half_open(world: World) -> None:
    await playing(b=(Delay(0.9, RpcError()),))(world)
    breaker = _breaker(world, "b")
    breaker._open(trio.current_time())
    await trio.sleep(21)
    assert breaker.is_half_open


async def half_open_and_well(world: World) -> None:
    await half_open(world)
    world.backends["b"].steps = (Delay(0.9, Answer("recovered")),)


SETTINGS = {
    "well": playing(trial=(WELL,)),
    "retried": playing(b=(RpcError(), Delay(0.1, RpcError()), WELL)),
    "slow, and a copy wins": playing(b=(Delay(60), Note(0.5, Delay(1)))),
    "slow, and all copies fail": playing(b=(Delay(3.5, RpcError()),)),
    "never answered": playing(b=(Delay(60),)),
    "lost": playing(b=(Delay(0.5, Reset()),)),
    "queued": queued,
    "rate limited": rate_limited,
    "rate limited at the edge": rate_limited_at_the_edge,
    "a probe that fails": half_open,
    "a probe that succeeds": half_open_and_well,
    "a canary that fails": playing(b=(Delay(0.5, RpcError(-32042)),), trial=(Delay(0.5, RpcError(-32042)),)),
    "a canary that is slow": playing(b=(Delay(0.5, RpcError(-32042)),), trial=(Delay(60),)),
}


# -- how it is cut


@attrs.define(eq=False)
class Scissors(trio.abc.Instrument):
    """Cancels a scope after so many steps: of whatever task, because what others do may come between a cancellation and whom it is for."""

    scope: trio.CancelScope
    left: int

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


@contextmanager
def cutting(scope: trio.CancelScope, steps: int) -> Generator[None, None, None]:
    scissors = Scissors(scope, steps)
    trio.lowlevel.add_instrument(scissors)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(scissors)


async def cut_from_outside(world: World, steps: int) -> bool:
    replies: list[Reply] = []
    with trio.CancelScope() as scope, cutting(scope, steps):
        replies.append(await world.call())
    assert len(replies) == (0 if scope.cancelled_caught else 1), "it is cut or answered, never both, never neither"
    return scope.cancel_called


async def cut_by_its_caller(world: World, steps: int) -> bool:
    call = Call("tools/call", "b_echo", {"name": Raw(b'"b_echo"'), "arguments": Raw(b"{}")})
    call.trail.cut = "the caller cancelled it"
    with cutting(call.scope, steps):
        reply = await world.gateway.handler(call)
    assert reply.fault is None or bytes(reply.result) == b"{}"
    return call.scope.cancel_called


# -- what is left


def assert_nothing_runs(world: World) -> None:
    """Every backend that was at it has been told to stop; the mirror's copy has a life of its own."""
    for name in NAMES[:-1]:
        assert world.gateway.backends[name].in_flight == 0, name
        assert [session.in_flight for session in world.backends[name].sessions] in ([0], []), name
        guards = world.gateway.policies[name]
        assert guards.hedge is not None
        assert guards.hedge.running == 0, name


def assert_nothing_is_held(world: World) -> None:
    """Nothing runs but what runs all the time, and nothing that was borrowed is still out."""
    gateway = world.gateway
    assert [task.name for task in gateway._nurseries.calls.child_tasks] == []
    assert [task.name.rpartition(".")[2] for task in gateway._nurseries.background.child_tasks] == ["run"], "the timer of the hedges"
    assert gateway._fleet.around.timer._races == {}
    for name, guards in gateway.policies.items():
        assert guards.concurrency is not None
        assert guards.rate is not None
        assert guards.hedge is not None
        assert guards.breaker is not None
        held = (guards.concurrency.running, guards.concurrency.waiting, guards.rate.bucket.waiting, guards.hedge.running)
        assert held == (0, 0, 0, 0), name
        assert guards.breaker._probing == 0, name
        assert gateway.backends[name].in_flight == 0, name
        assert [session.in_flight for session in world.backends[name].sessions] == [0], name


async def behaviour(world: World) -> list[object]:
    """What becomes of many calls at once: on the canary, and then on the primary. It takes every permit, place and token that there is."""
    told: list[object] = []
    for backend in world.backends.values():
        backend.steps = (WELL,)
    for name in ("trial", "b"):
        breaker = _breaker(world, name)
        if breaker.state is BreakerState.FORCED_OPEN:
            breaker.reset()
        if breaker.state is not BreakerState.CLOSED:
            await _in_parallel(world, 2)
            assert breaker.state is BreakerState.CLOSED, "as many probes as are permitted were let through, and have closed it"
            await trio.sleep(LONG)
        began = trio.current_time()
        told += [name, sorted(await _in_parallel(world, 9)), round(trio.current_time() - began, 6)]
        await trio.sleep(LONG)
        if name == "trial":
            breaker.force_open()
    return told


async def _in_parallel(world: World, calls: int) -> list[str]:
    outcomes: list[str] = []

    async def one() -> None:
        reply = await world.call()
        outcomes.append(reply.text if reply.fault is None else reply.fault.reason)

    async with trio.open_nursery() as nursery:
        for _ in range(calls):
            nursery.start_soon(one)
    return outcomes


@pytest.mark.parametrize("cut", [cut_from_outside, cut_by_its_caller])
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
async def test_a_call_that_is_cut_anywhere_loses_nothing_and_leaves_nothing(
    setting: Setting, cut: Callable[[World, int], Awaitable[bool]], seeded: Seeded, autojump_clock: Clock
) -> None:
    """TST-G11: no task, permit, place, token or probe."""
    async with open_world(seeded.sources) as world:
        usual = await behaviour(world)
    async with no_leaks():
        for steps in range(1, MOST_STEPS):
            async with open_world(seeded.sources) as world:
                await setting(world)
                was_cut = await cut(world, steps)
                await trio.testing.wait_all_tasks_blocked()
                if not world.others.child_tasks:
                    assert_nothing_runs(world)
                await trio.sleep(LONG)
                assert_nothing_is_held(world)
                if steps % 3 == 0:  # each time would take long, and say little more
                    assert await behaviour(world) == usual, f"after {steps} steps"
            if not was_cut:
                return
    pytest.fail("it never ran through")


# -- and many at once

WEATHER: tuple[Step, ...] = (
    *(WELL, WELL, ToolFails("no"), RpcError(), RpcError(-32602), Delay(0.5, RpcError()), Delay(1.3), Delay(5), Delay(60)),
    *(Reset(), Delay(0.3, Reset()), Note(0.5, Delay(2, Note(0.7))), Hang(), DropAnswer()),
)


async def call_in_a_storm(world: World, chance: random.Random, outcomes: Counter[str]) -> None:
    """One call, which lasts no longer than calls may; two of three are given up, in one way or the other, if they take long."""
    call = Call("tools/call", "b_echo", {"name": Raw(b'"b_echo"'), "arguments": Raw(b"{}")})
    patience, ways, began = chance.uniform(0, 6), chance.randrange(3), trio.current_time()
    outcome = "cut"
    with trio.move_on_after(patience if ways == 0 else 1e9):
        if ways == 1:
            call.trail.cut, call.scope.deadline = "the caller cancelled it", began + patience
        reply = await world.gateway.handler(call)
        outcome = "ok" if reply.fault is None else reply.fault.reason
    outcomes[outcome] += 1
    assert trio.current_time() - began < 33, "30 s, and 2 s at the edge"


async def change_something(world: World, chance: random.Random, changes: trio.Nursery) -> None:
    """Replace one of the backends, with its sessions, permits and all; or add a stand-in, or remove one."""
    gateway = world.gateway
    name = chance.choice([*NAMES, "late"])
    if name != "late":
        config = next(config for config in gateway._fleet.configs if config.name == name)
        changes.start_soon(gateway.replace_backend, config, world.backends[name].connector)
    elif name in gateway.backends:
        changes.start_soon(gateway.remove_backend, name)
    else:
        config = Builder("y").backend(name, ScriptedBackend().connector, failover_for="b", **FULL).config().backends[0]
        await gateway.add_backend(config, ScriptedBackend(RpcError(), WELL).connector)


@pytest.mark.parametrize("storm", range(5))
async def test_a_gateway_after_a_storm_is_as_good_as_new(storm: int, seeded: Seeded, autojump_clock: Clock) -> None:
    """TST-G11: calls that fail, hang, are cut and are refused, on backends that crash and are replaced meanwhile."""
    chance, outcomes = seeded.chance(f"storm {storm}"), Counter[str]()
    async with open_world(seeded.sources) as world:
        usual = await behaviour(world)
    async with open_world(seeded.sources) as world:
        for backend in world.backends.values():
            backend.steps = (*chance.choices(WEATHER, k=60), WELL)
        async with trio.open_nursery() as nursery:
            for number in range(150):
                nursery.start_soon(call_in_a_storm, world, chance, outcomes)
                await trio.sleep(chance.choice([0, 0, 0.1, 0.5, 1, 3]))
                if number % 15 == 14:
                    await change_something(world, chance, nursery)
        await world.gateway.remove_backend("late")
        await trio.sleep(LONG)
        for kept in world.gateway.backends.values():
            await kept.wait_for(lambda one: one.is_up)
        await trio.sleep(LONG)
        assert_nothing_is_held(world)
        assert sorted(world.gateway._fleet._groups["b"]._members) == ["b", "spare", "trial"]
        assert await behaviour(world) == usual
    assert outcomes.total() == 150
    assert outcomes["ok"] > 20
    assert len(outcomes) > 4, outcomes
