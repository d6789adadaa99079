"""A mirror changes nothing: the same world with its mirrors and without them, call by call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

import attrs
import trio
from tests.properties.playing import Stage, open_stage
from tests.properties.troubles import KINDS, OWN, draw_rules, draw_troubles
from tests.properties.worlds import Part, World, draw_part

from sluicegate.testing.playing import Play

__all__ = ["Told", "differences", "draw_mirrored", "tell", "told_without"]

CALLS = 30
LASTS = 10.0


@attrs.frozen(eq=False)
class Told:
    """What each call got, and when."""

    world: World
    got: dict[str, tuple[str, float]]


def draw_mirrored(seed: int) -> World:
    """One or two mirrors to which anything may happen.

    What else goes wrong is each call's own: what several calls lose at once they lose in any order, which every task more changes.
    For the same reason no copy of a call is sent at once.
    """
    chance = random.Random(f"{seed}:mirrors")
    parts: list[Part] = []
    for number, role in enumerate(["p", *chance.choices("psc", k=chance.randint(0, 2)), "m", *chance.choices("m", k=chance.randint(0, 1))]):
        parts.append(_without_ties(draw_part(chance, f"{role}{number}", "p0", parts, density=0.5)))
    mirrors = [part.name for part in parts if part.config.mirror_of is not None]
    others = [part.name for part in parts if part.config.mirror_of is None]
    rules = [rule for rule in draw_rules(chance, others, OWN) if rule.backend is not None]
    rules += [rule for rule in draw_rules(chance, mirrors) if rule.backend is not None]
    rules += [attrs.evolve(rule, backend=mirrors[0]) for rule in draw_rules(chance, mirrors, KINDS)]
    return World(seed, tuple(parts), tuple(rules), draw_troubles(chance, mirrors, LASTS))


def _without_ties(part: Part) -> Part:
    """Two calls never wait for the same moment, as two places that one call leaves or a pause that is as long as a deadline make them do.

    And no other call notices whether a copy was heard of that is cut in the very moment in which it is its turn.
    """
    config, hedging = part.config, part.config.hedging
    if hedging is not None:
        hedging = attrs.evolve(hedging, delay_ms=hedging.delay_ms or 70.0, percentile=None)
        config = attrs.evolve(config, hedging=hedging, concurrency=None)
    return attrs.evolve(part, config=config, alike=True)


def without_mirrors(world: World) -> World:
    """The same world, in which nobody looks on."""
    parts = tuple(part for part in world.parts if part.config.mirror_of is None)
    names = {part.name for part in parts}
    return attrs.evolve(world, parts=parts, troubles=tuple(trouble for trouble in world.troubles if trouble.backend in names))


async def tell(play: Play) -> Told:
    """Play the world with its mirrors."""
    return await _tell(play, draw_mirrored(play.seed))


async def told_without(play: Play) -> Told:
    """And without."""
    return await _tell(play, without_mirrors(draw_mirrored(play.seed)))


async def _tell(play: Play, world: World) -> Told:
    told = Told(world, {})
    chance = play.chance("calls")
    moments = sorted(chance.uniform(1.0, LASTS) for _ in range(CALLS))
    targets = [chance.choice([part.name for part in world.primaries]) for _ in range(CALLS)]
    async with open_stage(play, world) as stage, trio.open_nursery() as nursery:
        for trouble in world.troubles:
            nursery.start_soon(stage.be_in_trouble, trouble)
        for number, moment in enumerate(moments):
            nursery.start_soon(partial(_call, told, stage, targets[number], f"call-{number}", moment))
    return told


async def _call(told: Told, stage: Stage, target: str, mark: str, moment: float) -> None:
    await trio.sleep_until(moment)
    reply = await stage.gateway.call_tool(f"{target}_echo", {"call": mark})
    said = bytes(reply.result) if reply.fault is None else reply.fault.encode(attempts=len(mark))
    told.got[mark] = said.decode(), trio.current_time() - moment
    stage.play.note("heard of", mark, *told.got[mark])


def differences(told: Told, without: Told) -> Iterator[str]:
    """What a mirror has changed."""
    for mark, got in told.got.items():
        if without.got[mark] != got:
            yield f"{mark} got {got} with the mirrors, and {without.got[mark]} without"
