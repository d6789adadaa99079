"""Protocol revisions and what follows from them (P-2, P-7, P-22)."""

from __future__ import annotations

__all__ = ["ASSUMED", "BATCHES", "DISCOVER", "HANDSHAKE", "LEGACY", "MODERN", "NEWEST", "OPENS", "PRIMED", "SPOKEN", "negotiate"]

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Revisions that open with a handshake, oldest first."""

MODERN = ("2026-07-28",)
"""Revisions without one: each request says of itself what it needs (P-1)."""
SPOKEN = LEGACY + MODERN
DISCOVER = "server/discover"
"""With what one asks there who the server is."""

HANDSHAKE = "initialize"
"""What they open with."""
OPENS = frozenset({HANDSHAKE})
"""Requests that open a conversation: they are never cancelled (P-12), and no part of a batch."""

NEWEST = LEGACY[-1]
ASSUMED = "2025-03-26"
"""What a request is that carries no version and belongs to no session (P-7)."""

BATCHES = frozenset({"2025-03-26"})
"""Revisions with JSON-RPC batches (P-22)."""

PRIMED = frozenset({"2025-11-25"})
"""Revisions whose streams open with an event that carries only an id (P-63)."""


def negotiate(asked: str) -> str:
    """The revision to answer ``initialize`` with: the asked one if we speak it, else our newest (P-2)."""
    return asked if asked in LEGACY else NEWEST
