"""What ``Retry-After`` says: a number of seconds, or a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["retry_after"]

LONGEST = 300.0
"""Seconds. Who says more is not waited for longer: a call without a deadline would hang for hours, and the next answer can say it again."""


def retry_after(text: str, date: str, now: float) -> float | None:
    """How many seconds to wait; None if it says nothing that can be read, 0 if that time is over.

    Args:
        text: the value of the header, possibly empty.
        date: the value of the answer's ``Date``, possibly empty. A moment is taken by the server's own clock where we know it.
        now: seconds since the epoch, by our clock.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    moment = _seconds(text)
    if moment is None:
        return None
    sent = _seconds(date)
    return min(max(0.0, moment - (now if sent is None else sent)), LONGEST)


def _seconds(text: str) -> float | None:
    """A date of HTTP as seconds since the epoch; one without a zone is UTC, as they all are."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
