"""What Linux tells about processor time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs

__all__ = ["PROC", "Usage", "busy_seconds", "delay", "own_seconds", "usage"]

TICK = 1 / os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@attrs.frozen
class Usage:
    """Processor time so far, in seconds: of a process, the part of it that was spent in the kernel, and of all its living descendants."""

    own: float
    kernel: float
    children: float

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(self.own - earlier.own, self.kernel - earlier.kernel, self.children - earlier.children)


def usage(pid: int) -> Usage:
    """Read it; threads that have ended are counted, processes that have ended are not. Only the kernel's part is as rough as a tick."""
    table = _table()
    found = {pid}
    while more := {child for child, (parent, _kernel) in table.items() if parent in found} - found:
        found |= more
    return Usage(_clock(pid), table[pid][1], sum(_clock(child) for child in found - {pid}))


def _clock(pid: int) -> float:
    """The processor-time clock of a process, to the nanosecond; 0 for one that has ended (``clock_getcpuclockid``, which Python has for threads only)."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def _table() -> dict[int, tuple[int, float]]:
    """Parent, and seconds in the kernel, of every process."""
    table = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we were looking
            continue
        table[int(stat.parent.name)] = (int(fields[1]), int(fields[12]) * TICK)
    return table


def delay(pid: int) -> float:
    """Seconds that the main thread of a process was ready to run so far, but had to wait for a processor."""
    return int((PROC / str(pid) / "schedstat").read_text().split()[1]) / 1e9


def busy_seconds() -> float:
    """Processor time that the whole machine has used so far, or that its host has taken from it; to see whether we are alone."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, (PROC / "stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK


def own_seconds() -> float:
    """Processor time of this process so far, and of those it started that have ended."""
    return sum(os.times()[:4])
