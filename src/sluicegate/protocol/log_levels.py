"""How much a client wants to hear of what servers log (``logging/setLevel``, P-67)."""

from __future__ import annotations

from .messages import Notification, decode, read_text

__all__ = ["LEVELS", "SET_LEVEL", "is_log_line", "severity"]

SET_LEVEL = "logging/setLevel"

LEVELS = {name: rank for rank, name in enumerate(("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"))}
"""Every level and its rank; a client gets those from the one on that it has asked for."""
_BEGINNING = b'{"jsonrpc":"2.0","method":"notifications/message"'
_LOUDEST = len(LEVELS)


def is_log_line(message: bytes) -> bool:
    """Whether an encoded message of ours is a log line of a server."""
    return message.startswith(_BEGINNING)


def severity(message: bytes) -> int:
    """The rank of an encoded log line; one whose level nobody knows is not held back."""
    note = decode(message)
    level = read_text(note.params, "level") if isinstance(note, Notification) else None
    return LEVELS.get(level or "", _LOUDEST)
