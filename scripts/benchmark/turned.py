"""``sluicegate`` with an eye on its loop, for `turns`: how long everybody else waits while one party hurts.

Run as a program: ``python turned.py FOLDER run -c gate.toml``. SIGUSR1 begins to count; SIGUSR2 ends that, and writes what was counted to
``FOLDER/turns.json``. In ``FOLDER/asked.json`` stand the port and the requests with which it asks itself.

In Trio all tasks that are ready run before anybody looks at the sockets again, so what a call waits for is the rounds of the loop: each is timed, and
each step of a task within. Times are processor time of the loop's thread, which says the same on a machine that has other things to do.
"""

from __future__ import annotations

import heapq
import json
import random
import signal
import socket
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
import trio

MOST_SLOW = 5
"""Rounds that are told of one by one, the longest."""
PAUSE = 0.01
"""Seconds between two questions of a probe."""


@attrs.define(eq=False)
class Probe:
    """Asks the gateway from within, again and again, and finds out for how long its loop worked until the answer left: for this one and for others."""

    request: bytes
    port: int
    waits: array[float] = attrs.field(factory=lambda: array("d"), init=False)
    """Seconds of processor time."""
    _socket: socket.socket = attrs.field(init=False)
    _sent: float | None = attrs.field(default=None, init=False)
    _next: float = attrs.field(default=0.0, init=False)
    _chance: random.Random = attrs.field(factory=lambda: random.Random(1), init=False)

    def __attrs_post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port))  # the kernel takes it, whatever the loop is at
        self._socket.setblocking(False)

    def look(self) -> None:
        """Ask, if it is time, or see whether the answer is there; to be called when a round has ended."""
        if self._sent is None:
            if time.monotonic() >= self._next:
                self._socket.send(self.request)
                self._sent = time.thread_time()
            return
        try:
            answer = self._socket.recv(65536)
        except BlockingIOError:
            return
        assert answer.startswith(b"HTTP/1.1 200"), answer
        self.waits.append(time.thread_time() - self._sent)
        self._sent, self._next = None, time.monotonic() + PAUSE * self._chance.uniform(0.5, 1.5)

    def close(self) -> None:
        """Ask no more."""
        self._socket.close()


@attrs.define(eq=False)
class Turns(trio.abc.Instrument):
    """All rounds since it was installed, in seconds."""

    probes: dict[str, Probe]
    rounds: array[float] = attrs.field(factory=lambda: array("d"), init=False)
    steps: int = attrs.field(default=0, init=False)
    longest_step: float = attrs.field(default=0.0, init=False)
    slowest: str = attrs.field(default="", init=False)
    """The task of the longest step."""
    slow: list[tuple[float, int, dict[str, list[float]]]] = attrs.field(factory=list, init=False)
    """The longest rounds: seconds, number, and what each kind of task took in them: steps, and seconds."""
    _round: float = attrs.field(factory=time.thread_time, init=False)
    _step: float = attrs.field(factory=time.thread_time, init=False)
    _taken: dict[str, list[float]] = attrs.field(factory=dict, init=False)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task runs."""
        del task
        self._step = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It waits again."""
        took = time.thread_time() - self._step
        self.steps += 1
        taken = self._taken.setdefault(task.name, [0, 0.0])
        taken[0] += 1
        taken[1] += took
        if took > self.longest_step:
            self.longest_step, self.slowest = took, task.name

    def before_io_wait(self, timeout: float) -> None:
        """The round has ended."""
        del timeout
        took = time.thread_time() - self._round
        self.rounds.append(took)
        if len(self.slow) < MOST_SLOW:
            heapq.heappush(self.slow, (took, len(self.rounds), self._taken))
        elif took > self.slow[0][0]:
            heapq.heapreplace(self.slow, (took, len(self.rounds), self._taken))
        self._taken = {}
        for probe in self.probes.values():
            probe.look()

    def after_io_wait(self, timeout: float) -> None:
        """The next one begins."""
        del timeout
        self._round = time.thread_time()

    def found(self) -> dict[str, Any]:
        """All of that; times are milliseconds."""
        return {
            "rounds": len(self.rounds),
            "steps": self.steps,
            "round": millis(p99(self.rounds)),
            "longest round": millis(max(self.rounds, default=0.0)),
            "longest step": millis(self.longest_step),
            "slowest": self.slowest,
            "waits": {name: millis(p99(probe.waits)) for name, probe in self.probes.items()},
            "asked": {name: len(probe.waits) for name, probe in self.probes.items()},
            "slow rounds": [
                {"ms": millis(took), "tasks": {name: [int(steps), millis(spent)] for name, (steps, spent) in tasks.items()}}
                for took, _number, tasks in sorted(self.slow, reverse=True, key=lambda one: one[:2])
            ],
        }


def millis(seconds: float) -> float:
    """The same in milliseconds."""
    return round(seconds * 1e3, 3)


def p99(values: Sequence[float]) -> float:
    """What one of a hundred is longer than."""
    return sorted(values)[int(len(values) * 0.99)] if values else 0.0


def main(folder: Path, arguments: list[str]) -> None:
    """Run sluicegate."""
    from sluicegate.cli.main import main as sluicegate

    turns: Turns | None = None

    def begin(_number: int, _frame: FrameType | None) -> None:
        nonlocal turns
        asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
        turns = Turns({name: Probe(request.encode(), asked["port"]) for name, request in asked["requests"].items()})
        trio.lowlevel.add_instrument(turns)

    def end(_number: int, _frame: FrameType | None) -> None:
        assert turns is not None
        trio.lowlevel.remove_instrument(turns)
        for probe in turns.probes.values():
            probe.close()
        part = folder / "turns.part"
        part.write_text(json.dumps(turns.found()), encoding="utf-8")
        part.rename(folder / "turns.json")

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    sluicegate(arguments)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
