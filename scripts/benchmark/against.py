"""Whether a call has become dearer: this checkout and another one, driven at the same time, again and again for a second.

The other checkout has an environment of its own in ``.venv``, as ``scripts/test`` makes it. It runs twice, and the two of it are the check.

How its memory happens to lie makes a process up to a tenth dearer or cheaper for as long as it lives. So all three are started several times, each
time with another hash seed, which is the same for all three, and where addresses can be kept from being random they are. Pairs are compared
within a start, and what counts is the median of all starts. A single seed would say the same each time, and be as far from the truth each time.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import attrs

from .goals import Goal
from .logged import NOISE, cost
from .price import say
from .processes import Failed
from .ratios import ratio
from .targets import SLUICEGATE, gateway, http_stub

__all__ = ["HASTY", "PATIENT", "Difference", "Plan", "against", "difference_goals", "difference_notes", "show_difference"]

CONNECTIONS = 16
WARM_UP = 1
MOST = 2.0
"""Per cent that a call may be dearer."""
NAMES = ("there", "here", "there, again")


@attrs.frozen
class Plan:
    """How often all three are started, and how often they are driven for a second each time."""

    starts: int
    pairs: int


PATIENT = Plan(6, 4)
HASTY = Plan(2, 2)


@attrs.frozen
class Spread:
    """How many times more one is than the other: the median of each start, and the median of all these."""

    median: float
    starts: list[float]

    def __str__(self) -> str:
        return f"{self.median:.3f} ({len(self.starts)} starts between {min(self.starts):.3f} and {max(self.starts):.3f})"


@attrs.frozen
class Difference:
    """Microseconds of processor time per call in each second of all starts, for one kind of backend."""

    shape: str
    costs: Mapping[str, list[float]]
    here: Spread
    """This checkout, as a multiple of the mean of the other's two."""
    check: Spread


def against(folder: Path, other: Path, plan: Plan) -> list[Difference]:
    """Measure both checkouts so often, over HTTP and over stdio."""
    python = other.absolute() / ".venv" / "bin" / "python"
    if not python.exists():
        raise Failed(f"{other} has no environment: run its scripts/bench --startup once, which makes one")
    commands = {name: SLUICEGATE if name == "here" else (str(python), "-m", "sluicegate") for name in NAMES}
    return [_compare(folder, shape, commands, plan) for shape in ("http", "stdio")]


def _compare(folder: Path, shape: str, commands: Mapping[str, Sequence[str]], plan: Plan) -> Difference:
    starts = []
    for number in range(1, plan.starts + 1):
        say(f"{number}/{plan.starts}: {shape} …")
        alike = ("env", f"PYTHONHASHSEED={number}", *_without_random_addresses())
        starts.append(_start(folder, shape, {name: (*alike, *command) for name, command in commands.items()}, plan.pairs))
    say("")
    here = [ratio((ours, (first + second) / 2) for first, ours, second in rows).median for rows in starts]
    check = [ratio((second, first) for first, _, second in rows).median for rows in starts]
    rows = [row for start in starts for row in start]
    costs = dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True))
    return Difference(shape, costs, *(Spread(round(statistics.median(ratios), 4), ratios) for ratios in (here, check)))


@cache
def _without_random_addresses() -> tuple[str, ...]:
    """What to put in front of a command, so that the system lays out its memory in the same way each time; nothing where that cannot be had."""
    command = ("setarch", "-R")
    is_there = shutil.which(command[0]) is not None and subprocess.run([*command, "true"], check=False).returncode == 0
    return command if is_there else ()


def _start(folder: Path, shape: str, commands: Mapping[str, Sequence[str]], pairs: int) -> list[list[float]]:
    """What a call costs all three, so many times, after a start of their own."""
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder, f"stub of {shape}"))
        targets = [
            stack.enter_context(gateway(f"{shape} {name}", folder, stub, stdio=shape == "stdio", command=command))
            for name, command in commands.items()
        ]
        drivers = stack.enter_context(ThreadPoolExecutor(len(targets)))
        list(drivers.map(lambda target: target.drive(CONNECTIONS, WARM_UP), targets))
        return [[round(micros, 2) for micros in drivers.map(cost, targets)] for _ in range(pairs)]


def show_difference(found: Sequence[Difference]) -> str:
    """Some lines."""
    lines = []
    for one in found:
        lines += [f"{one.shape}, {name}: {statistics.median(micros):.1f} µs per call" for name, micros in one.costs.items()]
        lines += [f"{one.shape}: CPU per call here, as a multiple of that there: {one.here}", f"of another gateway there: {one.check}"]
    return "\n".join(lines)


def difference_goals(found: Sequence[Difference]) -> list[Goal]:
    """What a change may cost."""
    return [Goal(f"{one.shape}: per cent more CPU than there", MOST, (one.here.median - 1) * 100) for one in found]


def difference_notes(found: Sequence[Difference]) -> list[str]:
    """What to know when reading it."""
    apart = max(abs(one.check.median - 1) for one in found)
    return [f"two gateways of the other checkout are {apart:.0%} apart: so rough is what is said"] if apart > NOISE else []
