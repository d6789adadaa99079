"""The price of a call: drive a target, and look at what everybody used meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from .goals import Goal
from .peers import NPM, PYPI
from .rows import Row, median
from .targets import Target
from .usage import busy_seconds, own_seconds, usage

__all__ = ["measure_all", "price_goals"]

WARM_UP = 1
PROMISED = 16
"""The number of connections of which something is promised."""


def measure_all(targets: Sequence[Target], connections: Sequence[int], rounds: int, seconds: int) -> list[Row]:
    """Every target with every number of connections, in turns, so that what else the machine does hits all alike; the medians."""
    found: dict[tuple[int, str], list[Row]] = {}
    for turn in range(rounds):
        for number in connections:
            for target in targets:
                say(f"{turn + 1}/{rounds}: {target.name}, {number} connections …")
                if turn == 0:
                    target.drive(number, WARM_UP)
                found.setdefault((number, target.name), []).append(measure(target, number, seconds))
    say("")
    return [median(rows) for rows in found.values()]


def say(what: str) -> None:
    """Tell a person at a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{what}\x1b[K", end="", file=sys.stderr, flush=True)


def measure(target: Target, connections: int, seconds: int) -> Row:
    """Drive a target for a while."""
    counted = target.count()
    ours, own, machine = own_seconds(), usage(target.program.pid), busy_seconds()
    stub_before = usage(target.stub.pid) if target.stub else None
    load = target.drive(connections, seconds)
    own = usage(target.program.pid) - own
    stub = (usage(target.stub.pid) - stub_before).own if target.stub and stub_before else None
    machine = busy_seconds() - machine
    strangers = machine - own.own - own.children - (stub or 0) - (own_seconds() - ours)
    seen = target.count()
    per_call = 1e6 / max(1, load.requests)
    return Row(
        target=target.name,
        beside=target.beside,
        connections=connections,
        rate=load.requests / load.seconds,
        p50=load.p50,
        p99=load.p99,
        longest=load.longest,
        own=own.own * per_call,
        kernel=own.kernel * per_call,
        children=own.children * per_call,
        stub=None if stub is None else stub * per_call,
        rss=target.program.memory()["rss"],
        busy=own.own / load.seconds,
        stub_busy=(own.children if stub is None else stub) / load.seconds,
        driver_busy=load.cpu / load.seconds,
        strangers=max(0.0, strangers / load.seconds),
        requests=load.requests,
        wrong=load.wrong,
        failed=load.failed,
        uncounted=None if seen is None or counted is None else load.requests - (seen - counted),
        example=load.example,
    )


def price_goals(rows: Sequence[Row]) -> list[Goal]:
    """What the rows say about the promises, as far as they were measured."""
    by_name = {row.target: row for row in rows if row.connections == PROMISED}
    found = []
    if http := by_name.get("http"):
        found.append(Goal(f"http, {PROMISED} connections: CPU µs per call", 250, http.own))
    found += [
        Goal(f"{row.target}, {PROMISED} connections: CPU as a multiple of the stub's", 5, row.own / row.stub)
        for row in by_name.values()
        if row.beside and row.stub and row.target.startswith("http")
    ]
    if stdio := by_name.get("stdio"):
        found.append(Goal(f"stdio, {PROMISED} connections: CPU µs per call", 180, stdio.own))
    found += [Goal("resident MiB", 45, max(row.rss for row in rows if row.target == "http"))] if http else []
    return found + (against_peers(http.own, by_name) if http else [])


def against_peers(own: float, by_name: Mapping[str, Row]) -> list[Goal]:
    """How many times more than our call over HTTP the cheapest call of others costs."""
    found = []
    for where, names, least in (("PyPI", PYPI, 4), ("npm", NPM, 2.5)):
        if peers := [by_name[name] for name in names if name in by_name]:
            best = min(peers, key=lambda row: row.own)
            found.append(
                Goal(f"best of {where} ({best.target}): CPU per call as a multiple of ours over HTTP", least, best.own / own, at_least=True)
            )
    return found
