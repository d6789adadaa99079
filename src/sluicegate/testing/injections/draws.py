"""Amounts that are drawn: which one it is follows from a number between 0 and 1, so that a schedule makes the same draws whatever comes of them."""

from __future__ import annotations

import math

import attrs

__all__ = ["Amount", "Exponential", "Uniform", "amount_of"]


@attrs.frozen
class Uniform:
    """Any amount between two, all of them as likely."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """The amount that this share of all draws stays below."""
        return self.low + share * (self.high - self.low)


@attrs.frozen
class Exponential:
    """Mostly small amounts, and seldom a large one: how long things take that have no memory."""

    mean: float

    def at(self, share: float) -> float:
        """The amount that this share of all draws stays below."""
        return -self.mean * math.log1p(-share)


Amount = float | Uniform | Exponential
"""A fixed amount, or how to draw one."""


def amount_of(amount: Amount, share: float) -> float:
    """The amount; ``share`` is the draw, at least 0 and below 1."""
    return amount.at(share) if isinstance(amount, Uniform | Exponential) else amount
