"""What a scripted backend does with a call, and which attempts get which fault: plain values."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from .draws import amount_of
from .faults import (
    Delay,
    Drip,
    DropAnswer,
    Duplicate,
    Fault,
    Garble,
    Hang,
    Refuse,
    Reorder,
    Reset,
    RpcError,
    ToolFails,
    Transport,
    Truncate,
    WrongId,
)
from .noise import Noise

__all__ = [
    "ROUTED",
    "Answer",
    "Attempt",
    "Delay",
    "Drip",
    "DropAnswer",
    "Duplicate",
    "Echo",
    "Garble",
    "Hang",
    "Note",
    "Refuse",
    "Reorder",
    "Reset",
    "Result",
    "RpcError",
    "Rule",
    "Schedule",
    "Script",
    "Step",
    "ToolFails",
    "Truncate",
    "WrongId",
    "is_over",
]


ROUTED = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
"""Methods of the calls that clients make; all others concern the backend itself."""


@attrs.frozen
class Answer:
    """A tool result with this text."""

    text: str = ""


@attrs.frozen
class Echo:
    """A tool result that says who was called, how, and for the how manyth time: ``name {"a":1} #1``."""


@attrs.frozen
class Result:
    """Any result, as JSON text, sent byte for byte."""

    json: bytes


@attrs.frozen
class Note:
    """Send a progress notification for the call, or this notification, then go on."""

    progress: float = 0.5
    then: Step = Echo()
    message: bytes = b""


Spoiling = Refuse | Reset | Hang | DropAnswer | Truncate | Garble | Duplicate | Reorder | Drip | WrongId | Noise
Step = Answer | Echo | Result | Note | Delay | RpcError | ToolFails | Spoiling
"""One thing that a scripted backend does with one call."""


@attrs.frozen
class Attempt:
    """What a rule can go by."""

    method: str = "tools/call"
    tool: str = ""
    """The backend's own name of what is called, be it a tool, a prompt or a URI."""
    caller: str = ""
    """The principal."""
    shown: str | None = None
    """What clients call it."""


def _numbered(numbers: Iterable[int]) -> tuple[int, ...]:
    if isinstance(numbers, int):
        raise TypeError(f"these are several: write numbers=[{numbers}]")
    return tuple(numbers)


def _is_fault(_rule: Rule, _field: object, fault: Any) -> None:
    if not isinstance(fault, Fault):
        raise TypeError(f"{fault!r} is no fault" + (f": write {fault.__name__}()" if isinstance(fault, type) else ", as Hang() would be"))


def _are_counts(_rule: Rule, _field: object, numbers: tuple[int, ...]) -> None:
    if numbers and min(numbers) < 1:
        raise ValueError(f"numbers count from 1, and one is {min(numbers)}")


def _is_count(_rule: Rule, field: attrs.Attribute[Any], number: int | None) -> None:
    if number is not None and number < 1:
        raise ValueError(f"{field.name} counts from 1, and is {number}")


def _is_share(_rule: Rule, _field: object, percent: float | None) -> None:
    if percent is not None and not 0 < percent <= 100:
        raise ValueError(f"percent is more than 0 and at most 100, and not {percent}")


@attrs.frozen
class Rule:
    """A fault, and the attempts that get it: those for which all conditions hold that are given."""

    fault: Fault = attrs.field(validator=_is_fault)
    numbers: tuple[int, ...] = attrs.field(default=(), converter=_numbered, validator=_are_counts, kw_only=True)
    """Only these, counted from 1: for each backend, and only attempts that fit ``method``, ``tool`` and ``caller``."""
    every: int | None = attrs.field(default=None, validator=_is_count, kw_only=True)
    """Only the fifth, the tenth, …"""
    first: int = attrs.field(default=1, validator=_is_count, kw_only=True)
    last: int | None = attrs.field(default=None, validator=_is_count, kw_only=True)
    percent: float | None = attrs.field(default=None, validator=_is_share, kw_only=True)
    """Only so many of a hundred, drawn; rules that hold for the same attempt share one draw, so that their percentages add up."""
    backend: str | None = attrs.field(default=None, kw_only=True)
    method: str | None = attrs.field(default=None, kw_only=True)
    """Also ``initialize``, ``ping`` and the lists, which nothing else reaches."""
    tool: str | None = attrs.field(default=None, kw_only=True)
    """As the backend calls it, or as clients do."""
    caller: str | None = attrs.field(default=None, kw_only=True)

    def fits(self, attempt: Attempt) -> bool:
        """Whether it is about such an attempt at all."""
        is_tool = self.tool in (None, attempt.tool, attempt.shown)
        return is_tool and self.method in (None, attempt.method) and self.caller in (None, attempt.caller)

    def is_due(self, number: int) -> bool:
        """Whether the attempt of this number, among those that it fits, gets the fault, as far as no draw decides."""
        in_range = self.first <= number and (self.last is None or number <= self.last)
        return in_range and (not self.numbers or number in self.numbers) and (self.every is None or number % self.every == 0)


def _ruled(rules: Iterable[Rule | Fault]) -> tuple[Rule, ...]:
    return tuple(rule if isinstance(rule, Rule) else Rule(rule) for rule in rules)


@attrs.frozen
class Script:
    """Rules, of which the first that holds decides; a fault alone always holds. Without a rule that holds, nothing happens to an attempt."""

    rules: tuple[Rule, ...] = attrs.field(default=(), converter=_ruled)
    seed: int | str = 0
    """What all draws follow from."""

    @classmethod
    def load(cls, path: str | Path) -> Script:
        """Read a plan, as ``sluicegate run --faults`` does; raises `sluicegate.config.problem.ConfigError` with all that is wrong."""
        from .fault_plan import load_plan

        return load_plan(path)

    @classmethod
    def from_toml(cls, text: str) -> Script:
        """The same, from the text of a plan."""
        from .fault_plan import read_plan

        return read_plan(text)

    def schedule(self, backend: str, transport: Transport, *, routed: bool = True) -> Schedule:
        """Its course for one backend; rules whose faults there cannot be are left out.

        Without ``routed`` it is that of handshakes, lists and pings: rules that name such a method, with draws of their own.
        """
        rules = [rule for rule in self.rules if rule.backend in (None, backend) and is_over(rule.fault, transport)]
        if not routed:
            rules = [rule for rule in rules if rule.method is not None and rule.method not in ROUTED]
        source = "faults" if routed else "other faults"
        return Schedule(tuple(rules), random.Random(f"{self.seed}:{source}:{backend}"))  # noqa: S311  chance, not secrets


def is_over(step: Fault | Step, transport: Transport) -> bool:
    """Whether there can be such a fault on that transport."""
    after = getattr(step, "then", None)
    return transport in getattr(step, "over", frozenset(Transport)) and (after is None or is_over(after, transport))


@attrs.define(eq=False)
class Schedule:
    """A script on its way: which fault the next attempt gets. Each takes two draws whatever comes of them, so no rule moves the draws of others."""

    rules: Sequence[Rule]
    chance: random.Random
    attempts: int = attrs.field(default=0, init=False)
    _counts: Counter[int] = attrs.field(factory=Counter, init=False)

    def next(self, attempt: Attempt) -> Fault | None:
        """Count an attempt; the fault that it gets."""
        self.attempts += 1
        roll, share = 100 * self.chance.random(), self.chance.random()
        found: Fault | None = None
        below = 0.0
        for place, rule in enumerate(self.rules):
            if not rule.fits(attempt):
                continue
            self._counts[place] += 1
            if found is None and rule.is_due(self._counts[place]):
                below += rule.percent or 0.0
                found = rule.fault if rule.percent is None or roll < below else None
        return None if found is None else _settled(found, share)


def _settled(fault: Fault, share: float) -> Fault:
    """The same fault, with how long it takes."""
    return attrs.evolve(fault, seconds=amount_of(fault.seconds, share)) if isinstance(fault, Delay) else fault
