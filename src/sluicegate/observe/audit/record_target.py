"""Where records go: what every kind of place has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .chain import Chain

__all__ = ["RecordTarget"]


class RecordTarget(Protocol):
    """A place for records. All of it is called from one thread, or before that runs, and raises `OSError` where it cannot."""

    def resume(self, chain: Chain) -> Sequence[bytes]:
        """Begin, and go on from what is there already; records that come first, not sealed yet."""
        ...

    def turn(self, chain: Chain) -> Sequence[bytes]:
        """More is about to come: make room for it; records that come first, not sealed yet."""
        ...

    def write(self, lines: Sequence[bytes]) -> None:
        """Write sealed lines. What it cannot write it keeps, and writes first the next time, which may be with no lines."""
        ...

    def tidy(self) -> float | None:
        """Do what has become due; seconds until there is something again, None for nothing."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...
