"""The gateway from outside, while it is under attack: which connections it holds, how much memory, and what else the machine does meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from .processes import Program
from .targets import Target
from .usage import PROC, busy_seconds, delay, own_seconds, usage

__all__ = ["LOOK_SECONDS", "Bystander", "Look", "held", "held_ports", "open_files", "watching"]

LOOK_SECONDS = 0.25


@attrs.frozen
class Look:
    """What the gateway had at one moment: the clients' ports of its connections, and memory in MiB."""

    when: float
    ports: set[int]
    memory: float


@contextmanager
def watching(program: Program) -> Iterator[list[Look]]:
    """Look at the gateway again and again, for the length of a block. It begins before any attacker is there: the first may be gone before the last comes."""
    looks: list[Look] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            looks.append(Look(time.monotonic(), held_ports(program), program.memory()["rss"]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield looks
    finally:
        over.set()
        thread.join()


def held(record: dict[str, Any], looks: Sequence[Look]) -> dict[str, Any]:
    """How long the gateway held the connections of each kind of attacker: the longest, in seconds."""
    longest: dict[str, float] = {}
    for kind, connections in record["connections"].items():
        for port, opened, closed in connections:
            last = max((look.when for look in looks if port in look.ports and opened <= look.when <= (closed or look.when)), default=opened)
            longest[kind] = round(max(longest.get(kind, 0), last - opened), 2)
    numbers = {kind: len(connections) for kind, connections in record["connections"].items()}
    return {"held": longest, "connections": numbers, "answers": record["answers"], "most held": max(len(look.ports) for look in looks)}


def held_ports(program: Program) -> set[int]:
    """The clients' ports of all connections that the gateway has not closed."""
    own = int(program.url.rpartition(":")[2])
    found = set()
    for line in (PROC / str(program.pid) / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        listens, is_orphan = fields[3] == "0A", fields[9] == "0"
        if int(fields[1].rpartition(":")[2], 16) == own and not listens and not is_orphan:
            found.add(int(fields[2].rpartition(":")[2], 16))
    return found


def open_files(program: Program) -> int:
    """How many files and sockets it has."""
    return len(list((PROC / str(program.pid) / "fd").iterdir()))


class Bystander:
    """What was used since this was made, in parts of one core: by the gateway, and by programs that have nothing to do with this.

    And the part of the time in which the gateway had something to do, but the kernel let others go first; all latencies grow with that.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.began = time.monotonic()
        self.before = self.used()

    def used(self) -> tuple[float, float, float]:
        """Seconds so far: used by the gateway and by strangers (what we started and what has ended is none of those), and waited by the gateway."""
        assert self.target.stub is not None
        gateway, stub = usage(self.target.program.pid).own, usage(self.target.stub.pid).own
        return gateway, busy_seconds() - gateway - stub - own_seconds(), delay(self.target.program.pid)

    def found(self) -> dict[str, float]:
        """All of that."""
        lasted = time.monotonic() - self.began
        busy, strangers, delayed = ((after - before) / lasted for after, before in zip(self.used(), self.before, strict=True))
        return {"busy": round(busy, 2), "strangers": round(max(0.0, strangers), 2), "delayed": round(delayed, 3)}
