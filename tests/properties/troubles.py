"""What goes wrong in a random world: faults of single attempts, and times in which a backend is not itself."""

from __future__ import annotations

import random

import attrs

from sluicegate.testing.injections.draws import Uniform
from sluicegate.testing.injections.kinds import (
    ChildExit,
    DeafChild,
    Delay,
    Drip,
    DropAnswer,
    Duplicate,
    Garble,
    Hang,
    Injection,
    Refuse,
    Reorder,
    Reset,
    RpcError,
    SessionLost,
    StderrFlood,
    ToolFails,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongId,
)
from sluicegate.testing.script import Rule

__all__ = ["KINDS", "OWN", "Trouble", "draw_rules", "draw_troubles"]

OWN: tuple[Injection, ...] = (
    Delay(Uniform(0.0, 1.9)),
    Delay(0.6, RpcError()),
    RpcError(),
    RpcError(-32602, "no such argument"),
    ToolFails(),
    Hang(),
    DropAnswer(),
    Duplicate(),
    WrongId(),
)
"""Faults that touch no other call."""
KINDS: tuple[Injection, ...] = (
    *OWN,
    Drip(64, 0.05),
    Refuse(),
    Reset(),
    Delay(0.4, Reset()),
    Truncate(),
    Garble(),
    Reorder(0.5),
    SessionLost(),
    TooManyRequests(0.3),
    Unavailable(0.2),
    ChildExit(),
    DeafChild(),
    StderrFlood(5000),
)


@attrs.frozen
class Trouble:
    """A time in which a backend is not itself."""

    backend: str
    kind: str
    """``mute``, ``refuse`` or ``crash``."""
    begins: float
    ends: float


def draw_rules(chance: random.Random, backends: list[str], kinds: tuple[Injection, ...] = KINDS) -> tuple[Rule, ...]:
    """Rules that are drawn, and perhaps an outage: so many attempts in a row."""
    rules = []
    if chance.random() < 0.5:
        first = chance.randint(1, 15)
        outage = chance.choice([fault for fault in kinds if isinstance(fault, Refuse | Reset | Hang | RpcError | Unavailable)])
        rules.append(Rule(outage, first=first, last=first + chance.randint(3, 12), backend=chance.choice((None, *backends))))
    for _ in range(chance.randint(1, 5)):
        fault, percent = chance.choice(kinds), chance.choice((3.0, 10.0, 30.0))
        rules += [Rule(fault, percent=percent, backend=chance.choice((None, None, *backends)))]
    return tuple(rules)


def draw_troubles(chance: random.Random, backends: list[str], end: float) -> tuple[Trouble, ...]:
    """Some, or none."""
    found = []
    for _ in range(chance.choice((0, 1, 2, 3))):
        begins = chance.uniform(0.5, end - 1)
        kind = chance.choice(("mute", "refuse", "crash"))
        found.append(Trouble(chance.choice(backends), kind, begins, min(end, begins + chance.uniform(0.5, 5))))
    return tuple(found)
