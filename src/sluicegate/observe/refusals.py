"""What is refused before it becomes a call: counted each time, and told of now and then."""

from __future__ import annotations

import attrs
import trio

from ..telling.loggers import Seldom, get_logger
from .metrics import Counts

__all__ = ["Refusals"]

log = get_logger("sluicegate.refused")

LOUD = frozenset({401, 403, 408, 413, 429, 431, 503})
"""Statuses that somebody may have to do something about. Of others every second client brings about one, to find out what is there."""
LONGEST = 200
"""Characters of a reason in the log."""


@attrs.define(eq=False, repr=False)
class Refusals:
    """Takes the status and the reason of every HTTP request that is refused. In a reason, what its caller wrote stands in single quotes."""

    counts: Counts | None = None
    _seldom: Seldom = attrs.field(factory=Seldom, init=False)

    def __call__(self, status: int, reason: str) -> None:
        """Count it, and tell of it once a minute, without the caller's own words: one of them may be a secret."""
        if self.counts is not None:
            self.counts.refused(status, reason)
        plain, quote, _ = reason.partition("'")
        what = plain.strip()[:LONGEST] + ("…" if quote else "")
        more = self._seldom.turn((status, what), trio.current_time())
        if more is not None:
            tell = log.warning if status in LOUD else log.info
            tell("requests are refused", status=status, reason=what, **({"not_told": more} if more else {}))
