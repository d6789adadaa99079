"""Times of day as the log shows them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["stamp"]


def stamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC; as they are where the calendar has no such day, since a wrong clock must cost no line."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.6f}"
