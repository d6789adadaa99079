"""Of any hundred calls in a row, exactly so many for each canary and so many copies for each mirror: a world whose canaries can always be asked."""

from __future__ import annotations

import random
from collections.abc import Iterator

import attrs
import trio
from tests.properties.playing import Stage, open_stage
from tests.properties.watching import Watch
from tests.properties.worlds import Part, World, draw_part

from sluicegate.config.model import BackendConfig, TimeoutSettings
from sluicegate.testing.injections.kinds import Delay, RpcError, ToolFails
from sluicegate.testing.playing import Play
from sluicegate.testing.script import Rule

__all__ = ["Shared", "draw_shared", "share", "wrong_shares"]

WINDOW = 100
CALLS = 120


@attrs.frozen(eq=False)
class Shared:
    """What has happened to the calls of one primary."""

    world: World
    watch: Watch


def draw_shared(seed: int) -> World:
    """Canaries and mirrors with any shares; what fails, fails alone, and a canary that fails has had its turn."""
    chance = random.Random(f"{seed}:shares")
    left, parts = WINDOW, list[Part]()
    for number, role in enumerate(["p", *chance.choices("ccmms", k=chance.randint(1, 5))]):  # none is passed over: it is always well
        part = draw_part(chance, f"{role}{number}", "p0", parts, density=0.4)
        config = attrs.evolve(part.config, circuit_breaker=None, outlier_detection=None, health=None, timeout=TimeoutSettings(60.0))
        if role == "c":
            weight = chance.randint(1, max(1, left - 8))
            left -= weight
            config = attrs.evolve(config, weight=weight, canary_sticky=False)
        parts.append(attrs.evolve(part, config=config, latency=0.0 if role == "m" else part.latency))
    rules = [Rule(fault, percent=10, backend=name) for name in _failing(parts) for fault in (RpcError(), Delay(0.5), ToolFails())]
    return World(seed, tuple(parts), tuple(rules))


def _failing(parts: list[Part]) -> list[str]:
    """Mirrors stay quick: a full house drops copies."""
    return [part.name for part in parts if part.config.mirror_of is None]


async def share(play: Play) -> Shared:
    """Call the primary of a world, now and then at once."""
    world = draw_shared(play.seed)
    async with open_stage(play, world) as stage, trio.open_nursery() as nursery:
        await stage.gateway.settled()
        chance = play.chance("calls")
        for number in range(CALLS):
            nursery.start_soon(_call, stage, number)
            await trio.sleep(chance.choice((0.0, 0.02, chance.uniform(0, 0.3))))
    return Shared(world, stage.watch)


async def _call(stage: Stage, number: int) -> None:
    await stage.gateway.call_tool("p0_echo", {"call": f"call-{number}"})


def wrong_shares(shared: Shared) -> Iterator[str]:
    """Who was asked first for each call in the order in which they came, and who was shown a copy."""
    first: dict[str, str] = {}
    for _at, backend, mark in shared.watch.entries:
        first.setdefault(mark, backend)
    order = list(first)
    if len(order) != CALLS:
        yield f"{len(order)} of {CALLS} calls were led anywhere"
    for part in shared.world.parts:
        config = part.config
        if config.canary_of is not None:
            yield from _uneven(config, config.weight, [first[mark] == part.name for mark in order])
        elif config.mirror_of is not None:
            seen = [attempt.mark for attempt in shared.watch.attempts if attempt.backend == part.name]
            if len(set(seen)) < len(seen):
                yield f"{part.name} has seen a call twice"
            marks = set(seen)
            yield from _uneven(config, config.mirror_percent, [mark in marks for mark in order])


def _uneven(config: BackendConfig, percent: int, got: list[bool]) -> Iterator[str]:
    for start in range(len(got) - WINDOW + 1):
        count = sum(got[start : start + WINDOW])
        if count != percent:
            yield f"{config.name} got {count} of the {WINDOW} calls from call {start} on, not {percent}"
            return
