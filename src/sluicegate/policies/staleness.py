"""Answers whose time is over, and that are better than none, or than waiting (RFC 5861)."""

from __future__ import annotations

from ..protocol.fault import Cause, Fault
from ..settings.keeping import CacheSettings

__all__ = ["is_mended", "longest"]

_MENDED = frozenset({Cause.UNAVAILABLE, Cause.TRANSPORT, Cause.TIMEOUT, Cause.OVERLOAD, Cause.BARRED})


def longest(settings: CacheSettings) -> float:
    """For how many seconds an answer whose time is over may still be of use."""
    return max(settings.stale_while_revalidate_seconds, settings.stale_if_error_seconds)


def is_mended(settings: CacheSettings, fault: Fault, over: float) -> bool:
    """Whether an answer whose time has been over for so many seconds is better than this."""
    return over < settings.stale_if_error_seconds and fault.cause in _MENDED and not fault.is_about_call
