"""Answers that became one large event: told of once for each tool, because there are clients that refuse these."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..telling.loggers import get_logger
from .exchange import Exchange

__all__ = ["LARGEST", "LargeEvents"]

log = get_logger("sluicegate.frontend.large")

LARGEST = 1024 * 1024
"""Bytes of an event that every client takes; the Python SDK's refuses more, and takes any size as plain JSON."""
MOST_NAMES = 1000


@attrs.define(eq=False, repr=False)
class LargeEvents:
    """What was told of already."""

    _told: set[str] = attrs.field(factory=set, init=False)

    def look(self, size: int, exchanges: Sequence[Exchange]) -> None:
        """An answer of so many bytes becomes an event; ``exchanges`` are those of its request."""
        target = exchanges[0].call.target if len(exchanges) == 1 else "batch"
        if size <= LARGEST or target in self._told or len(self._told) >= MOST_NAMES:
            return
        self._told.add(target)
        hint = 'progress = "off" at its backend makes plain JSON of it'
        log.warning("answer is an event over 1 MiB, which some clients refuse", target=target, bytes=size, hint=hint)
