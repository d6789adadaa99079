"""How long the gateway takes to listen, and ``check`` to check."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from .goals import Goal
from .processes import free_port, running
from .targets import SLUICEGATE, backend_table, write_configuration
from .usage import own_seconds, usage

__all__ = ["Times", "show_startup", "startup", "startup_goals"]

TIMES = 5


@attrs.frozen
class Times:
    """Seconds, once for each try, and the processor time that was used meanwhile: on an idle machine, the other would hardly be more."""

    wall: Sequence[float]
    cpu: Sequence[float]

    def __str__(self) -> str:
        wall, cpu = ((min(times), statistics.median(times)) for times in (self.wall, self.cpu))
        return f"best of {len(self.wall)} {wall[0]:.3f} s, median {wall[1]:.3f} s; processor time {cpu[0]:.3f} and {cpu[1]:.3f} s"


def startup(folder: Path) -> dict[str, Times]:
    """From the start of the process to the first connection it accepts, and of a whole ``sluicegate check``."""
    return {"start to listening": several(listening, folder), "sluicegate check": several(checking, folder)}


def several(once: Callable[[Path], tuple[float, float]], folder: Path) -> Times:
    """Do it some times, and once before that, which leaves compiled files behind."""
    once(folder)
    found = [once(folder) for _ in range(TIMES)]
    return Times([round(wall, 3) for wall, _ in found], [round(cpu, 3) for _, cpu in found])


def listening(folder: Path) -> tuple[float, float]:
    """Start it once."""
    port = free_port()
    path = write_configuration(folder / "startup.toml", [backend_table("stub", None)], port=port)
    with running("startup", [*SLUICEGATE, "run", "-c", path], folder, port=port) as program:
        return program.seconds_to_listen, usage(program.pid).own


def checking(folder: Path) -> tuple[float, float]:
    """Check a configuration once."""
    path = write_configuration(folder / "startup.toml", [backend_table("stub", None)])
    began, before = time.monotonic(), own_seconds()
    subprocess.run([*SLUICEGATE, "check", "-c", str(path)], check=True, capture_output=True)
    return time.monotonic() - began, own_seconds() - before


def show_startup(found: dict[str, Times]) -> str:
    """A line for each."""
    return "\n".join(f"{name}: {times}" for name, times in found.items())


def startup_goals(found: dict[str, Times]) -> list[Goal]:
    """How long they may take; the best counts, because whatever else the machine does only adds."""
    limits = {"start to listening": 0.5, "sluicegate check": 0.3}
    return [Goal(f"{name}: seconds, best of {TIMES}", limits[name], min(times.wall)) for name, times in found.items()]
