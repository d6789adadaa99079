"""Comparisons on a machine that has other things to do: two things are measured in turns, and only what stands side by side is compared."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

import attrs

__all__ = ["Ratio", "ratio"]


@attrs.frozen
class Ratio:
    """How many times more one is than the other."""

    median: float
    low: float
    """The lower quartile."""
    high: float
    """The upper quartile."""
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.3f} (half of {self.pairs} pairs within {self.low:.3f} and {self.high:.3f})"


def ratio(pairs: Iterable[tuple[float, float]]) -> Ratio:
    """The first of each pair as a multiple of the second."""
    found = [first / second for first, second in pairs]
    low, middle, high = statistics.quantiles(found, method="inclusive") if len(found) > 1 else found * 3
    return Ratio(round(middle, 4), round(low, 4), round(high, 4), len(found))
