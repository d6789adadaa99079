"""What the access log adds to the price of a call: gateways with it and without it, driven at the same time, again and again for a second.

At the same time, because what else the machine does then hits all of them alike; in turns, it moves the ratio by more than what is looked for.
A third gateway, without the log, is a check: whatever makes that one dearer or cheaper than the first is noise, or how its memory happens to lie.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import attrs

from .goals import Goal
from .price import say
from .ratios import Ratio, ratio
from .targets import Target, gateway, http_stub
from .usage import usage

__all__ = ["Comparison", "compare", "comparison_goals", "comparison_notes", "show_comparison"]

CONNECTIONS = 16
SECONDS = 1
WARM_UP = 2
NOISE = 0.04
"""How far two gateways that are alike may be apart."""
LOGGED = "with the log"
NAMES = ("without", LOGGED, "without, again")


@attrs.frozen
class Comparison:
    """Microseconds of processor time per call in each second, and what they say."""

    costs: Mapping[str, list[float]]
    log: Ratio
    """With the log, as a multiple of the mean of those without."""
    check: Ratio


def compare(folder: Path, times: int) -> Comparison:
    """Measure all three so often."""
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder))
        targets = [stack.enter_context(gateway(name, folder, stub, access_log=name == LOGGED)) for name in NAMES]
        for target in targets:
            target.drive(CONNECTIONS, WARM_UP)
        drivers = stack.enter_context(ThreadPoolExecutor(len(targets)))
        rows = []
        for number in range(times):
            say(f"{number + 1}/{times}: access log …")
            rows.append([round(micros, 2) for micros in drivers.map(cost, targets)])
        say("")
    log = ratio((logged, (first + second) / 2) for first, logged, second in rows)
    check = ratio((second, first) for first, _, second in rows)
    return Comparison(dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True)), log, check)


def cost(target: Target, *, same: bool = False) -> float:
    """Of one call."""
    before = usage(target.program.pid)
    load = target.drive(CONNECTIONS, SECONDS, same=same)
    return (usage(target.program.pid) - before).own / max(1, load.requests) * 1e6


def show_comparison(found: Comparison) -> str:
    """Some lines."""
    costs = "".join(f"{name}: {statistics.median(micros):.1f} µs per call\n" for name, micros in found.costs.items())
    return (
        f"{costs}CPU per call with the access log, as a multiple of that without: {found.log}\nof another gateway without it: {found.check}"
    )


def comparison_goals(found: Comparison) -> list[Goal]:
    """What the log may cost."""
    return [Goal("access log: per cent more CPU", 10, (found.log.median - 1) * 100)]


def comparison_notes(found: Comparison) -> list[str]:
    """What to know when reading it."""
    apart = abs(found.check.median - 1)
    return [f"two gateways without the access log are {apart:.0%} apart: so rough is what is said about it"] if apart > NOISE else []
