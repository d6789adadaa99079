"""How large a message, a list and a name may be where nobody says anything else."""

from __future__ import annotations

__all__ = ["ENDS_KEPT", "LARGEST_MESSAGE", "LONGEST_TOOL_NAME", "LONGEST_URI", "WHOLE_LIST", "is_longer"]

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message from a backend."""
ENDS_KEPT = 2048
"""Bytes kept of each end of a message that is too long."""
LONGEST_URI = 8 * 1024
"""Bytes of a URI or a template for URIs; nobody can ask for one that is longer."""
LONGEST_TOOL_NAME = 64
"""Characters of a tool's name; some clients take no longer ones."""
WHOLE_LIST = 0
"""Entries of a page: none is cut off."""


def is_longer(text: str, most: int) -> bool:
    """Whether a text has more than so many bytes."""
    return len(text) > most or (not text.isascii() and len(text.encode(errors="replace")) > most)
