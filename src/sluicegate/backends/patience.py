"""How long a start may take, and how long to wait after one that failed.

A first start may have to download a program, which takes as long as it takes; begun anew again and again it would never end. And what a backend
refuses for good, such as a request without a login, it refuses at the next try as well.
"""

from __future__ import annotations

import attrs
import msgspec

from ..protocol.why import Why
from .doubling import doubled
from .session import BackendSession

__all__ = ["NOTHING_ODD", "Noticed", "Patience"]

LONGEST_START = 600.0
"""Seconds that a start may come to have; more only where more are configured."""
SLOWEST = 10.0
"""How many times as long as the longest ordinary pause the one after a lasting refusal may become."""


class Noticed(msgspec.Struct, frozen=True):
    """What could be seen of a session when its start came to nothing."""

    still_runs: bool = False
    """It is a process, and was there to the end."""
    odd: str = ""
    """The first thing that it sent and that was no message."""

    @classmethod
    def of(cls, session: BackendSession) -> Noticed:
        """Look at it before it is left."""
        runs = getattr(session, "pid", None) is not None and session.is_open
        return cls(runs, str(getattr(session, "first_garbage", "")))

    def added_to(self, why: Why) -> Why:
        """The same reason; the operator is told what came instead of an answer, too."""
        return Why(why.public, f"{why.operator}; what it sent first was no message: {self.odd}") if self.odd else why


NOTHING_ODD = Noticed()


@attrs.define(eq=False, repr=False)
class Patience:
    """What one backend is granted. Only before it was ever ready does the time for a start grow."""

    configured: float
    """Seconds for a start, as a rule."""
    seconds: float = attrs.field(default=attrs.Factory(lambda self: self.configured, takes_self=True), init=False)
    """For the next start."""
    _was_ready: bool = attrs.field(default=False, init=False)
    _refused: int = attrs.field(default=0, init=False)
    """Lasting refusals in a row."""

    def configure(self, seconds: float) -> None:
        """So many seconds are configured from now on; what a slow first start was granted beyond that is forgotten."""
        if seconds != self.configured:
            self.configured = self.seconds = seconds

    def ready(self) -> None:
        """It has started."""
        self._was_ready = True
        self.seconds = self.configured
        self._refused = 0

    def ran_out(self, phase: str, noticed: Noticed) -> Why:
        """A start took too long: why, and what the next one may take."""
        why = Why(f"no answer within {self.seconds:g} s while trying to {phase}")
        longer = min(2 * self.seconds, max(LONGEST_START, self.configured))
        if noticed.still_runs and not self._was_ready and longer > self.seconds:
            self.seconds = longer
            why = Why(f"{why.public}; it still runs, so the next try may take {longer:g} s")
        return noticed.added_to(why)

    def refused(self, *, lasting: bool) -> float:
        """A start has failed: how many times as long as the longest ordinary pause to wait; 0 is as always."""
        self._refused = self._refused + 1 if lasting else 0
        return doubled(1.0, self._refused - 1, SLOWEST) if lasting else 0.0
