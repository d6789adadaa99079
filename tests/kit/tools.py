"""Tools that scripted backends have."""

from __future__ import annotations

__all__ = ["SAFE"]

SAFE = {"name": "echo", "annotations": {"readOnlyHint": True}}
"""One that changes nothing, so that it may be repeated."""
