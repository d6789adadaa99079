"""Where time of day, chance and secrets come from; all three are handed in, so that a test can fix them.

Durations come from ``trio.current_time()`` and from nowhere else.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import msgspec
import trio

__all__ = ["Sources"]

VIRTUAL_EPOCH = 1_767_225_600.0
"""When virtual time begins: with the year 2026."""


def _system_chance(name: str) -> random.Random:
    return random.Random(f"{int.from_bytes(os.urandom(16))}:{name}")  # noqa: S311  chance, not secrets


class Sources(msgspec.Struct, frozen=True):
    """Time of day, chance and secrets."""

    wall: Callable[[], float] = time.time
    """Seconds since the epoch, for what is stored, shared or logged."""
    chance: Callable[[str], random.Random] = _system_chance
    """A generator of its own for every user's name, so that one policy's draws never move another's."""
    secret: Callable[[int], bytes] = os.urandom
    """That many unguessable bytes."""

    @classmethod
    def seeded(cls, seed: str | int, *, wall: Callable[[], float] = time.time) -> Sources:
        """Everything from one seed: for tests and simulation, never where a secret must be one."""
        return cls(wall, lambda name: random.Random(f"{seed}:{name}"), random.Random(f"{seed}:secret").randbytes)  # noqa: S311

    @classmethod
    def virtual(cls, seed: str | int) -> Sources:
        """Everything from one seed, and the time of day from Trio's clock: for a mock clock, so that nothing follows from the day it is."""
        return cls.seeded(seed, wall=lambda: VIRTUAL_EPOCH + trio.current_time())
