"""Any await may be the last: tries them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import attrs

from .scissors import cut_after

__all__ = ["Trial", "cancel_at_every_checkpoint"]

T = TypeVar("T")
MOST_STEPS = 1000


@attrs.frozen
class Trial(Generic[T]):
    """One run of the scenario."""

    steps: int
    """After how many steps it was to be cut."""
    cut: bool
    """It was; else it ran through."""
    results: tuple[T, ...]
    """What it returned; empty if it was cut."""


async def _nothing(trial: Trial[T]) -> None:
    del trial


async def cancel_at_every_checkpoint(
    make_scenario: Callable[[], Awaitable[T]], check: Callable[[Trial[T]], Awaitable[None]] = _nothing, *, most: int = MOST_STEPS
) -> int:
    """Run a scenario again and again, cancelled after its first, second, third … step, until it runs through.

    Args:
        make_scenario: runs it once, from a state that a run before it may have left; usually an async function.
        check: called after each run, to assert what must hold whether it was cut or not. It may await, for instance
            ``trio.testing.wait_all_tasks_blocked()``, so that what was cancelled has its time to end.
        most: steps at which to give up.

    Returns:
        How many steps the run took that was not cut.

    Raises:
        AssertionError: it never ran through, or ``check`` found something, which then has a note that tells the step.
    """
    for steps in range(1, most + 1):
        results: list[T] = []
        try:
            with cut_after(steps) as scope:
                results.append(await make_scenario())
            trial = Trial(steps, scope.cancelled_caught, tuple(results))
            await check(trial)
        except Exception as error:
            error.add_note(f"cancelled after step {steps}")
            raise
        if not trial.cut:
            return steps
    raise AssertionError(f"the scenario did not run through within {most} steps; does it wait for something that never comes?")
