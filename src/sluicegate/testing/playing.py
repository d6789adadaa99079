"""Plays a scenario so that everything in it follows from a seed: the same seed gives the same trace in every process."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

import attrs
import trio
import trio.testing

from ..sources import Sources
from .determinism import deterministic
from .forbidden import refuse_sockets, threads_refused
from .network import MemoryOutside, open_outside
from .transcript import Transcript

__all__ = ["Play", "Played", "Scenario", "play", "replays"]

T = TypeVar("T")


@attrs.frozen
class Play:
    """What a scenario is given."""

    seed: int
    sources: Sources
    """For ``open_gateway(sources=…)``. Its wall clock began in 2026 and goes as fast as the virtual one."""
    world: MemoryOutside
    transcript: Transcript

    def chance(self, name: str) -> random.Random:
        """A generator of its own for every user's name."""
        return self.sources.chance(f"scenario:{name}")

    def note(self, *words: object) -> None:
        """Add a line to the transcript."""
        self.transcript.note(*words)


Scenario = Callable[[Play], Awaitable[T]]
"""What is played."""


@attrs.frozen
class Played(Generic[T]):
    """How it went."""

    seed: int
    result: T
    trace: tuple[str, ...]
    """The transcript."""
    digest: str
    """SHA-256 of the trace, and of which task ran when: two runs that differ in a single step have different ones."""
    steps: int
    """That tasks made."""
    virtual_seconds: float
    cpu_seconds: float


@attrs.define(eq=False, repr=False)
class _Schedule(trio.abc.Instrument):
    """Watches which task runs, and when."""

    steps: int = 0
    _digest: hashlib._Hash = attrs.field(factory=hashlib.sha256)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        self._digest.update(f"{trio.current_time()} {task.name}\n".encode())

    def digest(self, trace: Iterable[str]) -> str:
        whole = self._digest.copy()
        for line in trace:
            whole.update(line.encode() + b"\n")
        return whole.hexdigest()


def play(scenario: Scenario[T], seed: int = 0) -> Played[T]:
    """Run a scenario on a virtual clock, in an outside world in memory. What it raises has a note that tells the seed.

    The seed, Python, Trio and the code decide everything: the order of tasks, every draw, every secret and the time of day. What would break
    that is refused (threads, sockets, processes) or is the scenario's to avoid: the system's clock, the module-level `random`, ``id()`` and
    ``hash()``, and the order of a set.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError("play() runs an event loop of its own: call it from a plain function, not inside of one that runs on Trio")
    schedule, begun_at = _Schedule(), time.process_time()
    clock = trio.testing.MockClock(autojump_threshold=0)
    with deterministic(seed), threads_refused():
        try:
            result, transcript, virtual_seconds = trio.run(_run, scenario, seed, clock=clock, instruments=[schedule])
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    trace = tuple(transcript.lines)
    digest, cpu_seconds = schedule.digest(trace), time.process_time() - begun_at
    return Played(seed, result, trace, digest, schedule.steps, virtual_seconds, cpu_seconds)


async def _run(scenario: Scenario[T], seed: int) -> tuple[T, Transcript, float]:
    refuse_sockets()
    transcript = Transcript()
    async with open_outside() as world:
        result = await scenario(Play(seed, Sources.virtual(seed), world, transcript))
    return result, transcript, trio.current_time()


def replays(scenario: Scenario[object], seeds: Iterable[int]) -> list[int]:
    """Play each seed twice; the seeds whose two runs differ."""
    return [seed for seed in seeds if play(scenario, seed).digest != play(scenario, seed).digest]
