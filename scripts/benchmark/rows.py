"""What was measured: one row for each target and number of connections, how it is shown, and whether it can be believed."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence

import attrs

__all__ = ["Row", "doubts", "median", "show"]

ALMOST_BUSY = 0.8
"""The part of one core from which on the stub or wrk may have been what limits the others."""
HEADROOM = 1.5
"""How many times more calls the stub must have managed alone."""
STRANGERS = 0.25
"""Cores that other programs used, from which on times and rates say little. Processor time per call suffers less."""

FEW = 200
"""Calls."""


@attrs.frozen
class Row:
    """One measurement. Times per call are processor time in microseconds, latencies milliseconds, ``busy`` parts of one core."""

    target: str
    beside: str
    """The target that is the stub alone; "" for that itself."""
    connections: int
    rate: float
    """Calls per second."""
    p50: float
    p99: float
    longest: float
    own: float
    """Processor time of the process itself."""
    kernel: float
    """The part of it that was spent in the kernel."""
    children: float
    stub: float | None
    """Of the stub in the same run, where it is a process of its own."""
    rss: float
    """MiB after the run."""
    busy: float
    stub_busy: float
    driver_busy: float
    strangers: float
    """Cores used by programs that have nothing to do with this."""
    requests: int
    wrong: int
    failed: int
    uncounted: int | None
    """Calls that were answered although the stub never saw them; negative are those that were still going on. None if it cannot be told."""
    example: str = ""


def median(rows: Sequence[Row]) -> Row:
    """One row for several of the same kind: the median of each number, the sum of all that went wrong."""
    first = rows[0]
    numbers = {
        field.name: round(statistics.median(values), 3)
        for field in attrs.fields(Row)
        if isinstance(getattr(first, field.name), float) and (values := [getattr(row, field.name) for row in rows])
    }
    worst = max((row.uncounted for row in rows if row.uncounted is not None), default=None)
    sums = {name: sum(getattr(row, name) for row in rows) for name in ("requests", "wrong", "failed")}
    return attrs.evolve(first, **numbers, **sums, uncounted=worst, example=next((row.example for row in rows if row.example), ""))


def show(rows: Iterable[Row]) -> str:
    """A table."""
    head = ("", "conn", "calls/s", "p50 ms", "p99 ms", "CPU µs/call", "in kernel", "children", "stub", "ratio", "RSS MiB", "busy")
    lines = [head]
    for row in rows:
        stub = "" if row.stub is None else f"{row.stub:.1f}"
        ratio = "" if not row.stub else f"{row.own / row.stub:.2f}"
        lines.append(
            (
                row.target,
                str(row.connections),
                f"{row.rate:.0f}",
                f"{row.p50:.2f}",
                f"{row.p99:.2f}",
                f"{row.own:.1f}",
                f"{row.kernel:.1f}",
                f"{row.children:.1f}" if row.children else "",
                stub,
                ratio,
                f"{row.rss:.1f}",
                f"{row.busy:.0%}",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines)


def doubts(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Why the rows must not be believed, and what else to know when reading them."""
    wrong, notes = [], []
    alone = {(row.target, row.connections): row for row in rows if not row.beside}
    for row in rows:
        name = f"{row.target}, {row.connections} connections"
        if row.wrong or row.failed:
            wrong.append(f"{name}: {row.wrong} wrong answers and {row.failed} failures among {row.requests}: {row.example}")
        if row.uncounted is not None and (row.uncounted > 0 or row.uncounted < -3 * row.connections):
            wrong.append(f"{name}: wrk had {row.uncounted} answers more than the stub had calls")
        if row.beside:
            wrong.extend(f"{name}: {reason}" for reason in bottlenecks(row, alone.get((row.beside, row.connections))))
        if row.requests < FEW:
            notes.append(f"{name}: only {row.requests} calls in all, so the numbers are rough")
    if (most := max(row.strangers for row in rows)) > STRANGERS:
        notes.append(f"other programs used up to {most:.1f} of {os.cpu_count()} cores: compare ratios and processor time only")
    return wrong, notes


def bottlenecks(row: Row, alone: Row | None) -> Iterable[str]:
    """Whether the stub or wrk was what limited a target."""
    if row.driver_busy > ALMOST_BUSY:
        yield f"wrk was busy for {row.driver_busy:.0%} of the time; the target is not what was measured"
    if row.stub_busy > ALMOST_BUSY:
        yield f"the stub was busy for {row.stub_busy:.0%} of the time; the target is not what was measured"
    if alone is not None and alone.rate < HEADROOM * row.rate:
        yield f"the stub alone answers {alone.rate:.0f} calls a second, hardly more than through the target ({row.rate:.0f})"
