"""The life of one random world: a storm, then calm until everything must be well again, then the end."""

from __future__ import annotations

import math
from collections import Counter

import attrs
import trio
from tests.kit.ledger import Asked
from tests.properties.bounds import longest_call, recovery_seconds
from tests.properties.clients import Client, Register, ask_by_program
from tests.properties.playing import Stage, open_stage
from tests.properties.watching import Watch
from tests.properties.worlds import STORM_ENDS, World, draw

from sluicegate.testing.leaks import no_leaks
from sluicegate.testing.playing import Play

__all__ = ["CALM_SECONDS", "Account", "live"]

CALM_SECONDS = 1.0
"""Between two calls of each primary once the storm is over."""
AFTER = 4
"""Calls of each primary that must go well at the end."""


@attrs.define(eq=False)
class Account:
    """What has happened."""

    world: World
    register: Register
    watch: Watch
    begun_at: float
    calm: list[tuple[Asked, bool]] = attrs.field(factory=list)
    """Calls after the storm, and whether they went well."""
    closed_at: float = math.inf
    ran: dict[str, Counter[str]] = attrs.field(factory=dict)
    """How many times each backend has run each call."""
    left: list[str] = attrs.field(factory=list)
    """What was still taken when nobody called any more, and what was left behind."""

    @property
    def storm_ends(self) -> float:
        return self.begun_at + STORM_ENDS


async def live(play: Play) -> Account:
    """Play the world of the seed."""
    world = draw(play.seed)
    account: Account | None = None
    try:
        async with no_leaks():
            account = await _live(play, world)
    except AssertionError as error:
        if account is None:
            raise
        account.left.append(str(error))
    assert account is not None
    return account


async def _live(play: Play, world: World) -> Account:
    serves = {part.name: {part.path} for part in world.parts if part.config.mirror_of is None}
    longest = {part.name: longest_call(world, part) for part in world.primaries}
    register = Register(play.chance("register"), serves, longest, play=play)
    async with open_stage(play, world) as stage:
        account = Account(world, register, stage.watch, play.transcript.begun_at)
        await _let_loose(account, stage)
        async with trio.open_nursery() as nursery:
            for part in world.primaries:
                nursery.start_soon(_be_calm, account, stage, part.name, account.storm_ends + recovery_seconds(world, part.name))
        await trio.sleep(longest_call(world, *world.parts))  # what mirrors still do has ended by then
        account.left += _still_taken(stage)
    account.closed_at = stage.closed_at
    account.ran = {name: player.ran for name, player in stage.players.items()}
    return account


async def _let_loose(account: Account, stage: Stage) -> None:
    play, world = stage.play, stage.world
    targets = [part.name for part in world.primaries]
    async with trio.open_nursery() as serving:
        await serving.start(stage.gateway.serve)
        async with trio.open_nursery() as nursery:
            for trouble in world.troubles:
                nursery.start_soon(stage.be_in_trouble, trouble)
            for number, kind in enumerate(world.clients):
                chance = play.chance(f"client:{number}")
                nursery.start_soon(Client(account.register, stage.gateway, f"c{number}", chance, targets, account.storm_ends).run, kind)
            await trio.sleep_until(account.storm_ends)
            stage.watch.end_all_faults()
            play.note("the last fault has ended")
        serving.cancel_scope.cancel()


async def _be_calm(account: Account, stage: Stage, target: str, well_at: float) -> None:
    """Call now and then, and some times more when everything must be well."""
    while trio.current_time() < well_at + AFTER * CALM_SECONDS:
        asked = account.register.ask("calm", target)
        stage.play.note("calm asks", asked.mark, "of", target, "" if asked.at < well_at else "(must go well)")
        went_well = await ask_by_program(account.register, stage.gateway, asked)
        if asked.at >= well_at:
            account.calm.append((asked, went_well))
        await trio.sleep(CALM_SECONDS)


def _still_taken(stage: Stage) -> list[str]:
    """Permits, places and copies that nobody uses any more."""
    found = [f"{name} has {backend.in_flight} calls in flight" for name, backend in stage.gateway.backends.items() if backend.in_flight]
    for name, guards in stage.gateway.policies.items():
        places, hedge, breaker = guards.concurrency, guards.hedge, guards.breaker
        if places is not None and (places.running or places.waiting):
            found.append(f"{name} has {places.running} places taken and {places.waiting} waiting")
        if hedge is not None and hedge.running:
            found.append(f"{name} has {hedge.running} copies running")
        if breaker is not None and breaker._probing:
            found.append(f"{name} has {breaker._probing} probes")
        if guards.rate is not None and guards.rate.bucket.waiting:
            found.append(f"{name} has {guards.rate.bucket.waiting} who wait for a token")
    return [*found, *(f"{name} still runs {player.running} calls" for name, player in stage.players.items() if player.running)]
