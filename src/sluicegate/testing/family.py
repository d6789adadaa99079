"""Counting real processes: whether everything that a gateway started is gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["ProcessFamily", "is_running"]

PROC = Path("/proc")


class ProcessFamily:
    """All descendants of a process, remembered once seen, so that those whose parent went first are counted too."""

    def __init__(self, head: int | None = None) -> None:
        """``head`` is the process whose descendants are meant; this one if it is None. It is no member itself."""
        self.head = os.getpid() if head is None else head
        self.seen: set[int] = set()

    def look(self) -> set[int]:
        """Remember who is there now, and return all that were ever seen."""
        table = _processes()
        found = {self.head}
        while more := {pid for pid, (parent, _state) in table.items() if parent in found} - found:
            found |= more
        self.seen |= found - {self.head}
        return self.seen

    def left(self) -> set[int]:
        """Those who run; a process that has ended and only waits to be noticed by its parent does not."""
        return {pid for pid in self.look() if is_running(pid)}


def is_running(pid: int) -> bool:
    """Whether there is such a process and it has not ended."""
    _parent, state = _processes().get(pid, (0, "Z"))
    return not state.startswith("Z")


def _processes() -> dict[int, tuple[int, str]]:
    """Parent and state of every process by its id; from the kernel where it tells, else from ``ps``."""
    if not (PROC / "self" / "stat").exists():
        return _listed()
    table = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended while we were looking
            continue
        table[int(stat.parent.name)] = (int(parent), state)
    return table


def _listed() -> dict[int, tuple[int, str]]:
    with subprocess.Popen(["ps", "-axo", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as listing:  # noqa: S607  as the system has it
        rows = [line.split() for line in listing.communicate()[0].splitlines()]
    return {int(pid): (int(parent), state) for pid, parent, state in rows if int(pid) != listing.pid}
