"""How large a message, a list and a name may be where nobody says anything else."""

from __future__ import annotations

__all__ = ["LARGEST_MESSAGE", "LONGEST_TOOL_NAME", "WHOLE_LIST"]

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message from a backend."""
LONGEST_TOOL_NAME = 64
"""Characters of a tool's name; some clients take no longer ones."""
WHOLE_LIST = 0
"""Entries of a page: none is cut off."""
