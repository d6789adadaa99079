"""JSON as Python values: for people, tests and programs that embed us, never on the way of a call."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import msgspec

from .members import Raw

__all__ = ["read_object", "read_value"]

_LONGEST_INT = 4300
"""Digits that Python reads as an integer; more would take long."""


def read_value(raw: Raw) -> object:
    """The value; a number that Python's own types cannot hold is a `Decimal`, so that one such number does not cost all the others."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return json.loads(bytes(raw), parse_int=_integer, parse_float=_fraction)


def read_object(raw: Raw) -> dict[str, object]:
    """The same of what is an object; raises `TypeError` for anything else."""
    value = read_value(raw)
    if not isinstance(value, dict):
        raise TypeError(f"a JSON object was expected, and this is none: {bytes(raw)[:80]!r}")
    return value


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_INT else Decimal(digits)


def _fraction(digits: str) -> float | Decimal:
    value = float(digits)
    return value if math.isfinite(value) else Decimal(digits)
