"""Whether a call has become dearer: this checkout and another one, driven at the same time, again and again for a second.

The other checkout has an environment of its own in ``.venv``, as ``scripts/test`` makes it. It runs twice, and the two of it are the check.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import attrs

from .goals import Goal
from .logged import NOISE, cost
from .price import say
from .processes import Failed
from .ratios import Ratio, ratio
from .targets import SLUICEGATE, gateway, http_stub

__all__ = ["Difference", "against", "difference_goals", "difference_notes", "show_difference"]

CONNECTIONS = 16
WARM_UP = 2
MOST = 2.0
"""Per cent that a call may be dearer."""
NAMES = ("there", "here", "there, again")


@attrs.frozen
class Difference:
    """Microseconds of processor time per call in each second, for one kind of backend."""

    shape: str
    costs: Mapping[str, list[float]]
    here: Ratio
    """This checkout, as a multiple of the mean of the other's two."""
    check: Ratio


def against(folder: Path, other: Path, times: int) -> list[Difference]:
    """Measure both checkouts so often, over HTTP and over stdio."""
    python = other.absolute() / ".venv" / "bin" / "python"
    if not python.exists():
        raise Failed(f"{other} has no environment: run its scripts/bench --startup once, which makes one")
    commands = {name: SLUICEGATE if name == "here" else (str(python), "-m", "sluicegate") for name in NAMES}
    return [_compare(folder, shape, commands, times) for shape in ("http", "stdio")]


def _compare(folder: Path, shape: str, commands: Mapping[str, Sequence[str]], times: int) -> Difference:
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder, f"stub of {shape}"))
        targets = [
            stack.enter_context(gateway(f"{shape} {name}", folder, stub, stdio=shape == "stdio", command=command))
            for name, command in commands.items()
        ]
        for target in targets:
            target.drive(CONNECTIONS, WARM_UP)
        drivers = stack.enter_context(ThreadPoolExecutor(len(targets)))
        rows = []
        for number in range(times):
            say(f"{number + 1}/{times}: {shape} …")
            rows.append([round(micros, 2) for micros in drivers.map(cost, targets)])
        say("")
    here = ratio((ours, (first + second) / 2) for first, ours, second in rows)
    check = ratio((second, first) for first, _, second in rows)
    return Difference(shape, dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True)), here, check)


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
