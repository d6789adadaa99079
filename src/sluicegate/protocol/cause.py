"""Whose fault it is that a call has no result."""

from __future__ import annotations

import enum

__all__ = ["Cause"]


class Cause(enum.Enum):
    """Whose fault it is."""

    CLIENT = "client"
    BACKEND = "backend"
    TRANSPORT = "transport"
    TIMEOUT = "timeout"
    OVERLOAD = "overload"
    """It waited for a turn in vain: ours, or the backend's."""
    UNAVAILABLE = "unavailable"
    """There is nobody to send it to."""
    BARRED = "barred"
    """We do not send to this backend for now: its breaker is open, or it is ejected."""
    POLICY = "policy"
    CANCELLED = "cancelled"
    BUG = "bug"
