"""``sluicegate`` with a look inside, for `profiling`.

Run as a program: ``python sampled.py OUT run -c gate.toml``. SIGUSR1 starts the sampling and SIGUSR2 ends it and starts the counting; what was
found is written to OUT as JSON at the end.

*Sampling* notes where the program is whenever it has used another few milliseconds of processor time (``ITIMER_PROF``). Unlike a profiler that is
called for every function it does not make small functions look expensive, and unlike one that looks from outside it does not charge a system call
for the time in which another program had the processor. *Counting* follows every step of Trio's loop, which has a price of its own.
"""

from __future__ import annotations

import gc
import json
import math
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import attrs
import trio

INTERVAL = 0.001
"""Seconds of processor time between two samples; most kernels make four milliseconds of it."""


@attrs.define(eq=False)
class Sampler:
    """Where the program was, and how often."""

    stacks: Counter[tuple[CodeType | int, ...]] = attrs.field(factory=Counter)
    """Line of the innermost frame, then the frames outward."""
    collecting: float = 0.0
    """Seconds spent in looking for garbage, while sampling."""
    garbage: int = 0
    """Objects that were found, because they referred to each other in a circle."""
    _began: float = 0.0

    def start(self, _number: int, _frame: FrameType | None) -> None:
        """Begin."""
        gc.callbacks.append(self._collect)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)

    def stop(self) -> None:
        """Have enough."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        gc.callbacks[:] = [callback for callback in gc.callbacks if callback != self._collect]

    def sample(self, _number: int, frame: FrameType | None) -> None:
        """Note one stack."""
        if frame is not None and frame.f_code is COLLECT:  # the first code to run after a collection; the time belongs to who caused that
            frame = frame.f_back
        stack: list[CodeType | int] = [frame.f_lineno if frame else 0]
        while frame is not None:
            stack.append(frame.f_code)
            frame = frame.f_back
        self.stacks[tuple(stack)] += 1

    def _collect(self, phase: str, info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "stop":
            self.collecting += now - self._began
            self.garbage += info["collected"]
        self._began = now

    def found(self) -> list[dict[str, Any]]:
        """Every stack, outermost frame first, as ``[function, file]``."""
        return [
            {
                "count": count,
                "line": stack[0],
                "frames": [[code.co_qualname, code.co_filename] for code in stack[:0:-1] if isinstance(code, CodeType)],
            }
            for stack, count in self.stacks.items()
        ]


COLLECT = Sampler._collect.__code__  # noqa: SLF001


@attrs.define(eq=False)
class Loop(trio.abc.Instrument):
    """What Trio's loop does. Its times are seconds of processor time, so they say the same on a machine that has other things to do."""

    tasks: int = 0
    steps: int = 0
    turns: int = 0
    longest_step: float = 0.0
    longest_turn: float = 0.0
    """From one look at the sockets to the next: how long somebody may have waited."""
    slowest: str = ""
    """The task of the longest step."""
    _step: float = math.inf  # the step in which the counting begins, and the turn, have no known beginning
    _turn: float = math.inf

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """A task was started."""
        del task
        self.tasks += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task runs."""
        del task
        self.steps += 1
        self._step = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task waits again."""
        took = time.thread_time() - self._step
        if took > self.longest_step:
            self.longest_step, self.slowest = took, task.name

    def before_io_wait(self, timeout: float) -> None:
        """The loop looks at its sockets."""
        del timeout
        self.turns += 1
        self.longest_turn = max(self.longest_turn, time.thread_time() - self._turn)

    def after_io_wait(self, timeout: float) -> None:
        """It has looked."""
        del timeout
        self._turn = time.thread_time()


def main(out: Path, arguments: list[str]) -> None:
    """Run sluicegate."""
    from sluicegate.cli.main import main as sluicegate

    sampler, loop = Sampler(), Loop()

    def count(_number: int, _frame: FrameType | None) -> None:
        sampler.stop()
        trio.lowlevel.add_instrument(loop)

    signal.signal(signal.SIGPROF, sampler.sample)
    signal.signal(signal.SIGUSR1, sampler.start)
    signal.signal(signal.SIGUSR2, count)
    try:
        sluicegate(arguments)
    finally:
        counted = {name: getattr(loop, name) for name in ("tasks", "steps", "turns", "longest_step", "longest_turn", "slowest")}
        out.write_text(
            json.dumps({"stacks": sampler.found(), "collecting": sampler.collecting, "garbage": sampler.garbage, "loop": counted}),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
