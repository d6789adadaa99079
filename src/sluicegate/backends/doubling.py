"""Pauses that double with every failure in a row."""

from __future__ import annotations

import math

__all__ = ["doubled"]


def doubled(first: float, times: int, most: float) -> float:
    """``first``, doubled so many times, and no more than ``most``: what fails for weeks fails more often than a float can be doubled."""
    try:
        return min(most, math.ldexp(first, times))
    except OverflowError:
        return most
