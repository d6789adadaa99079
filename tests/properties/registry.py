"""Every property by its name: what is played for a seed, and what is wrong with that, in words that say all it takes to look into it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from tests.properties.claims import CLAIMS
from tests.properties.living import live
from tests.properties.mirrors import differences, tell, told_without
from tests.properties.shares import share, wrong_shares
from tests.properties.worlds import World

from sluicegate.testing.playing import Played, play

__all__ = ["FAMILIES", "PROPERTIES", "Finding", "check", "digest"]

MOST_LINES, MOST_FOUND = 60, 3


@attrs.frozen
class Finding:
    """A property that does not hold."""

    name: str
    seed: int
    wrong: tuple[str, ...]
    world: str = ""
    lines: tuple[str, ...] = ()
    """Of the transcript, those that are about it."""

    def __str__(self) -> str:
        more = [f"… and {len(self.wrong) - MOST_FOUND} more"] if len(self.wrong) > MOST_FOUND else []
        head = f"{self.name} does not hold for seed {self.seed}: scripts/soak --seeds 1 --from {self.seed} --property {self.name}"
        return "\n".join([head, *self.wrong[:MOST_FOUND], *more, self.world, *self.lines])


def _found(name: str, played: Played[Any], world: World, wrong: Iterable[str]) -> list[Finding]:
    said = tuple(wrong)
    return [Finding(name, played.seed, said, str(world), _about(said[0], world, played.trace))] if said else []


def _about(what: str, world: World, trace: Iterable[str]) -> tuple[str, ...]:
    """The lines about a call; else those about a backend; else the last ones."""
    words = [word.strip(":,;'()") for word in what.split()]
    names = {part.name for part in world.parts}
    for keys in ([word for word in words if re.fullmatch(r"c\w+-\d+", word)], [word for word in words if word in names]):
        lines = [line for line in trace if any(f" {key} " in f"{line} " for key in keys[:1])]
        if lines:
            return tuple(lines[-MOST_LINES:])
    return tuple(trace)[-MOST_LINES:]


def _lives(seed: int, names: Iterable[str]) -> list[Finding]:
    played = play(live, seed)
    return [found for name in names for found in _found(name, played, played.result.world, CLAIMS[name](played.result))]


def _shares(seed: int, names: Iterable[str]) -> list[Finding]:
    played = play(share, seed)
    return [found for name in names for found in _found(name, played, played.result.world, wrong_shares(played.result))]


def _mirrors(seed: int, names: Iterable[str]) -> list[Finding]:
    played, without = play(tell, seed), play(told_without, seed)
    return [found for name in names for found in _found(name, played, played.result.world, differences(played.result, without.result))]


FAMILIES: Mapping[str, tuple[Callable[[int, Iterable[str]], list[Finding]], tuple[str, ...]]] = {
    "lives": (_lives, tuple(CLAIMS)),
    "shares": (_shares, ("shares",)),
    "mirrors": (_mirrors, ("mirrors",)),
}
"""What is played once for several properties."""
PROPERTIES = tuple(name for _check, names in FAMILIES.values() for name in names)


def check(seed: int, names: Iterable[str] = PROPERTIES) -> list[Finding]:
    """What does not hold for a seed. A world that ends with an exception is a finding, too."""
    wanted = set(names)
    found: list[Finding] = []
    logging.disable(logging.CRITICAL)
    try:
        for family, (look, its) in FAMILIES.items():
            chosen = [name for name in its if name in wanted]
            try:
                found += look(seed, chosen) if chosen else []
            except Exception as error:
                error.add_note(f"{family} of seed {seed}: scripts/soak --seeds 1 --from {seed}")
                raise
    finally:
        logging.disable(logging.NOTSET)
    return found


def digest(seed: int) -> tuple[str, ...]:
    """Of all that is played for a seed."""
    logging.disable(logging.CRITICAL)
    try:
        return play(live, seed).digest, play(share, seed).digest, play(tell, seed).digest
    finally:
        logging.disable(logging.NOTSET)
