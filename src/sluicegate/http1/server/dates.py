"""Dates as HTTP writes them (RFC 9110, 5.6.7)."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["date_headers"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""In English whatever the locale. ``email.utils`` would say the same, and takes 3 ms to load."""


def date_headers(seconds: float) -> list[tuple[bytes, bytes]]:
    """The ``Date`` header of a moment in seconds since the epoch; none where the calendar has no such day, as if there were no clock (6.6.1)."""
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return []
    return [(b"date", f"{DAYS[at.weekday()]}, {at:%d} {MONTHS[at.month - 1]} {at.year:04} {at:%H:%M:%S} GMT".encode())]
