"""What a scripted backend does with a call, and which attempts get which fault: plain values."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from .injections.draws import amount_of
from .injections.kinds import (
    Answer,
    Ask,
    Delay,
    Drip,
    DropAnswer,
    Duplicate,
    Echo,
    Garble,
    Hang,
    Injection,
    Note,
    Refuse,
    Reorder,
    Reset,
    Result,
    RpcError,
    Step,
    ToolFails,
    Transport,
    Truncate,
    WrongId,
)
from .injections.plan import load_plan, read_plan
from .injections.rules import Attempt, Rule, is_over

__all__ = [
    "ROUTED",
    "Answer",
    "Ask",
    "Attempt",
    "Delay",
    "Drip",
    "DropAnswer",
    "Duplicate",
    "Echo",
    "Garble",
    "Hang",
    "InjectionSchedule",
    "Note",
    "Refuse",
    "Reorder",
    "Reset",
    "Result",
    "RpcError",
    "Rule",
    "Script",
    "Step",
    "ToolFails",
    "Truncate",
    "WrongId",
    "is_over",
]


ROUTED = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
"""Methods of the calls that clients make; all others concern the backend itself."""


def _ruled(rules: Iterable[Rule | Injection]) -> tuple[Rule, ...]:
    return tuple(rule if isinstance(rule, Rule) else Rule(rule) for rule in rules)


@attrs.frozen
class Script:
    """Rules, of which the first that holds decides; a fault alone always holds. Without a rule that holds, nothing happens to an attempt."""

    rules: tuple[Rule, ...] = attrs.field(default=(), converter=_ruled)
    seed: int | str = 0
    """What all draws follow from."""

    @classmethod
    def load(cls, path: str | Path, backends: Mapping[str, str] | None = None) -> Script:
        """Read a plan, as ``sluicegate run --faults`` does; raises `sluicegate.config.problem.ConfigError` with all that is wrong.

        Args:
            path: of the file.
            backends: the transport of each backend by its name, where they are known: then what could have no effect is wrong, too.
        """
        return cls(*load_plan(path, backends))

    @classmethod
    def from_toml(cls, text: str) -> Script:
        """The same, from the text of a plan."""
        return cls(*read_plan(text))

    def schedule(self, backend: str, transport: Transport, *, routed: bool = True) -> InjectionSchedule:
        """Its course for one backend; rules whose faults there cannot be are left out.

        Without ``routed`` it is that of handshakes, lists and pings: rules that name such a method, with draws of their own.
        """
        rules = [rule for rule in self.rules if rule.backend in (None, backend) and is_over(rule.fault, transport)]
        if not routed:
            rules = [rule for rule in rules if rule.method is not None and rule.method not in ROUTED]
        source = "faults" if routed else "other faults"
        return InjectionSchedule(tuple(rules), random.Random(f"{self.seed}:{source}:{backend}"))  # noqa: S311  chance, not secrets


@attrs.define(eq=False, repr=False)
class InjectionSchedule:
    """A script on its way: which fault the next attempt gets. Each takes two draws whatever comes of them, so no rule moves the draws of others."""

    rules: Sequence[Rule]
    chance: random.Random
    attempts: int = attrs.field(default=0, init=False)
    _counts: Counter[int] = attrs.field(factory=Counter, init=False)

    def next(self, attempt: Attempt) -> Injection | None:
        """Count an attempt; the fault that it gets."""
        self.attempts += 1
        roll, share = 100 * self.chance.random(), self.chance.random()
        found: Injection | None = None
        below = 0.0
        for place, rule in enumerate(self.rules):
            if not rule.fits(attempt):
                continue
            self._counts[place] += 1
            if found is None and rule.is_due(self._counts[place]):
                below += rule.percent or 0.0
                found = rule.fault if rule.percent is None or roll < below else None
        return None if found is None else _settled(found, share)


def _settled(fault: Injection, share: float) -> Injection:
    """The same fault, with how long it takes."""
    return attrs.evolve(fault, seconds=amount_of(fault.seconds, share)) if isinstance(fault, Delay) else fault
