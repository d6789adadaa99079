"""The one file that touches what Trio keeps to itself: its scheduler's random order.

Trio shuffles the tasks that are ready, so that nobody comes to rely on an order. It does so with a generator of its own, and sorts the tasks
first only where Hypothesis has asked for it. Both are private; `deterministic` sets them for the length of a block, and nothing else may.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager

import trio

__all__ = ["deterministic"]

_FLAG, _CHANCE = "_ALLOW_DETERMINISTIC_SCHEDULING", "_r"


@contextmanager
def deterministic(seed: str | int) -> Generator[None, None, None]:
    """Let Trio's scheduler follow from ``seed`` in every ``trio.run`` that is begun inside the block; what was set before comes back.

    Raises:
        RuntimeError: this release of Trio keeps them elsewhere.
    """
    run = getattr(trio._core, "_run", None)  # noqa: SLF001  the reason for this file
    chance = getattr(run, _CHANCE, None)
    if not isinstance(getattr(run, _FLAG, None), bool) or not isinstance(chance, random.Random):
        raise RuntimeError(  # noqa: TRY004  nobody has handed in a wrong type
            f"Trio {trio.__version__} has no trio._core._run.{_FLAG} and .{_CHANCE} as Trio 0.35 has them, so that no run can be played again; "
            "find out where its scheduler draws now, and change sluicegate/testing/determinism.py"
        )
    before, state = getattr(run, _FLAG), chance.getstate()
    setattr(run, _FLAG, True)
    chance.seed(f"{seed}:schedule")
    try:
        yield
    finally:
        setattr(run, _FLAG, before)
        chance.setstate(state)
