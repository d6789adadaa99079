"""Dates as HTTP writes them (RFC 9110, 5.6.7)."""

from __future__ import annotations

from email.utils import formatdate

__all__ = ["date_headers"]


def date_headers(seconds: float) -> list[tuple[bytes, bytes]]:
    """The ``Date`` header of a moment in seconds since the epoch; none where the calendar has no such day, as if there were no clock (6.6.1)."""
    try:
        return [(b"date", formatdate(seconds, usegmt=True).encode("ascii"))]
    except (ValueError, OverflowError, OSError):
        return []
