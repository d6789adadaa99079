"""How an application drops its client."""

from __future__ import annotations

__all__ = ["HangUp", "is_hang_up"]


class HangUp(Exception):
    """Raised by an application: drop the connection without an answer, or without the rest of it."""


def is_hang_up(error: Exception) -> bool:
    """Whether it is that, or several of that which have left a nursery together."""
    return isinstance(error, HangUp) or (isinstance(error, ExceptionGroup) and error.split(HangUp)[1] is None)
