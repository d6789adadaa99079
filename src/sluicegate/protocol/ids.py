"""Ids of requests: given back byte for byte, compared by value."""

from __future__ import annotations

import re

from .members import Raw, text

__all__ = ["LONGEST_ID", "read_id"]

_INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_LARGEST_FRACTION = 2**53
"""Beyond that a number that is written as a fraction is not exact."""
LONGEST_ID = 1024


def read_id(raw: bytes) -> int | str | None:
    """The value of an id, or None if it is neither text nor a whole number. Some encoders write every number as a fraction: ``7.0`` is 7."""
    if len(raw) > LONGEST_ID:
        return None
    if raw.isdigit():
        return int(raw)
    if raw[:1] == b'"':
        return text(Raw(raw))
    return int(raw) if _INTEGER.match(raw) else _whole(raw)


def _whole(raw: bytes) -> int | None:
    value = float(raw) if _NUMBER.match(raw) else 0.5
    return int(value) if abs(value) <= _LARGEST_FRACTION and value.is_integer() else None
