"""Which attempts get which injection: one rule of a script, and what it can go by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from .kinds import Injection, Step, Transport

__all__ = ["Attempt", "Rule", "is_over"]


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
    if not isinstance(fault, Injection):
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
    """An injection, and the attempts that get it: those for which all conditions hold that are given."""

    fault: Injection = attrs.field(validator=_is_fault)
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
        """Whether the attempt of this number, among those that it fits, gets the injection, as far as no draw decides."""
        in_range = self.first <= number and (self.last is None or number <= self.last)
        return in_range and (not self.numbers or number in self.numbers) and (self.every is None or number % self.every == 0)


def is_over(step: Injection | Step, transport: Transport) -> bool:
    """Whether there can be such an injection on that transport."""
    after = getattr(step, "then", None)
    return transport in getattr(step, "over", frozenset(Transport)) and (after is None or is_over(after, transport))
