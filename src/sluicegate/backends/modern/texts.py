"""Lists of texts in what a backend says."""

from __future__ import annotations

import msgspec

from ...protocol.messages import Raw

__all__ = ["read_texts"]


def read_texts(raw: Raw | None) -> list[str]:
    """The list that stands there; empty where there is none, or something else."""
    try:
        return [] if raw is None else msgspec.json.decode(raw, type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
