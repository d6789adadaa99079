"""Counts of calls: plain numbers on the way of a call, made into something to read only when somebody asks for it.

Labels come from the configuration and from our own words, never from what a caller wrote, and there is a bound on how many there are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import attrs
import trio

from ..protocol.calls import NAMED_BY, Call, Handler, Reply, Trail
from ..protocol.eras import OPENS
from ..protocol.log_levels import SET_LEVEL
from ..protocol.offers import KINDS
from ..protocol.reply import TOOL_ERROR
from ..telling.statistics import counter, gauge, snapshot

__all__ = ["BOUNDS", "Counts", "Durations", "Metrics", "RequestStatistics", "status_of"]

METHODS = frozenset({*OPENS, "ping", SET_LEVEL, "completion/complete", *NAMED_BY, *(kind.method for kind in KINDS)})
"""What may stand in the label ``method``; any other method is counted under an empty one."""
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds; the upper ends of the histogram's buckets. A call through the gateway alone takes less than the first; a tool may take minutes."""
MOST_SERIES = 4096
"""Combinations of labels; what comes after that is counted under the outcome ``other``. Backends may come and go for as long as we run."""
OTHER = "other"


@attrs.define(eq=False, repr=False)
class Durations:
    """How long some calls took, in buckets."""

    seconds: float = 0.0
    """All together."""
    buckets: list[int] = attrs.field(factory=lambda: [0] * (len(BOUNDS) + 1))
    """Calls that took up to each of `BOUNDS` and more than the one before; the last bucket has no end."""

    @property
    def count(self) -> int:
        """How many calls there were."""
        return sum(self.buckets)

    def add(self, other: Durations) -> None:
        """Take in those of another one."""
        self.seconds += other.seconds
        self.buckets = [mine + its for mine, its in zip(self.buckets, other.buckets, strict=True)]


@attrs.frozen(repr=False)
class RequestStatistics:
    """What `Counts` has counted, but for the times."""

    running: int = attrs.field(metadata=gauge("requests_in_flight", "Requests that are under way."))
    attempts: Mapping[tuple[str, str], int] = attrs.field(
        metadata=counter("backend_attempts", "Attempts at backends, those included that another attempt made good.", "backend", "outcome")
    )
    refusals: Mapping[int, int] = attrs.field(
        metadata=counter("http_refused", "HTTP requests that were refused before they became calls.", "status")
    )


@attrs.define(eq=False, repr=False)
class Counts:
    """What is counted while a gateway runs. Everything only grows, except `running`."""

    running: int = attrs.field(default=0, init=False)
    """Calls that are under way."""
    calls: dict[tuple[str, str, str], Durations] = attrs.field(factory=dict, init=False)
    """Calls that have ended, by method, backend that answered, and outcome."""
    attempts: dict[tuple[str, str], int] = attrs.field(factory=dict, init=False)
    """Attempts at backends, by backend and outcome; a call may take several."""
    refusals: dict[int, int] = attrs.field(factory=dict, init=False)
    """HTTP requests that never became calls, by status."""

    def statistics(self) -> RequestStatistics:
        """What it has counted until now."""
        return snapshot(RequestStatistics, self)

    def refused(self, status: int, reason: str) -> None:
        """Count an HTTP request that never became a call; its reason may hold the caller's own words."""
        del reason
        self.refusals[status] = self.refusals.get(status, 0) + 1

    def ended(self, method: str, trail: Trail, outcome: str, seconds: float) -> None:
        """Count a call that has ended, and its attempts."""
        hops = trail.hops
        key = (method if method in METHODS else "", trail.answerer if trail.given_by or not hops else hops[-1].backend, outcome)
        durations = self.calls.get(key) or self._durations(key)
        durations.seconds += seconds
        durations.buckets[bisect_left(BOUNDS, seconds)] += 1
        attempts = self.attempts
        for hop in hops:
            attempt = hop.backend, hop.outcome
            if attempt not in attempts and len(attempts) >= MOST_SERIES:
                attempt = "", OTHER
            attempts[attempt] = attempts.get(attempt, 0) + 1

    def _durations(self, key: tuple[str, str, str]) -> Durations:
        if len(self.calls) >= MOST_SERIES:
            key = key[0], "", OTHER
        return self.calls.setdefault(key, Durations())


def status_of(outcome: str) -> str:
    """The seed's own label: ``ok`` or ``error``; a call that its caller took back is neither. A tool that says that it failed has answered."""
    if outcome == TOOL_ERROR:
        return "ok"
    return outcome if outcome in ("ok", "cancelled") else "error"


@attrs.frozen(eq=False, repr=False)
class Metrics:
    """Counts each call by where it went and what became of it, however it ends."""

    inner: Handler
    counts: Counts

    async def __call__(self, call: Call) -> Reply:
        """Run the call and count it."""
        counts, began = self.counts, trio.current_time()
        counts.running += 1
        outcome = "cancelled"
        try:
            reply = await self.inner(call)
            outcome = reply.outcome(call.method)
        except Exception:
            outcome = "bug"
            raise
        else:
            return reply
        finally:
            counts.running -= 1
            counts.ended(call.method, call.trail, outcome, trio.current_time() - began)
