"""When a backend is taken out of its group for a while, because it does worse than it may (RES-50 … RES-56).

Either it fails so many times in a row, or too few of its calls succeed in an interval. Nothing runs in the background: an interval that has
ended is judged, and an ejection that is over is taken back, by the next call or the next who looks. `sluicegate.policies.gate.Gate` asks
before each attempt, and tells what became of it.
"""

from __future__ import annotations

import math

import attrs
import trio

from ..telling.loggers import get_logger
from ..telling.statistics import counter, gauge, snapshot
from .settings import OutlierSettings

__all__ = ["Group", "Outlier", "OutlierStatistics"]

log = get_logger("sluicegate.outlier")

NEVER = math.inf


@attrs.define(eq=False, repr=False)
class Group:
    """Those that stand in for each other: not too many of them are out at once.

    Who is out is counted when somebody asks, so no place is ever lost: one that has left or whose time is over takes none.
    """

    _members: dict[str, Outlier] = attrs.field(factory=dict, init=False)

    @property
    def most(self) -> int:
        """How many may be out now, by the largest percentage that a member has; one in any case, unless that is 0 (RES-51)."""
        percent = max((member.settings.max_ejection_percent for member in self._members.values()), default=0.0)
        return max(1 if percent > 0 else 0, math.floor(len(self._members) * percent / 100))

    def out(self, now: float) -> list[Outlier]:
        """Who is out, in the order in which they come back."""
        found = [member for member in self._members.values() if member.is_out(now)]
        return sorted(found, key=lambda member: member.until)

    def has_place_for(self, member: Outlier, now: float) -> bool:
        """Whether it may go out, too."""
        return self._members.get(member.name) is member and len(self.out(now)) < self.most

    def join(self, member: Outlier) -> None:
        """Take it in, in place of one of the same name: a backend that is built anew does not count twice (RES-56)."""
        replaced = self._members.get(member.name)
        self._members[member.name] = member
        if replaced is not None:
            self._keep_to_the_limit(trio.current_time())

    def leave(self, member: Outlier, now: float) -> None:
        """Let it go."""
        if self._members.get(member.name) is member:
            del self._members[member.name]
            self._keep_to_the_limit(now)

    def _keep_to_the_limit(self, now: float) -> None:
        """Those who are more than may be out by now come back, who would have soonest first: a group that shrinks is not left with nobody."""
        out = self.out(now)
        for other in out[: max(0, len(out) - self.most)]:
            if other.until < NEVER:  # one that is out by hand stays so
                other.uneject()


@attrs.frozen(repr=False)
class OutlierStatistics:
    """What `Outlier` has counted."""

    is_ejected: bool = attrs.field(metadata=gauge("backend_ejected", "Whether outlier detection keeps it out now."))
    ejections: int = attrs.field(metadata=counter("backend_ejections", "Times that outlier detection took it out."))


@attrs.define(eq=False, repr=False)
class Outlier:
    """What is known about one backend. What becomes of a call that began before its last ejection says nothing any more."""

    name: str
    settings: OutlierSettings
    group: Group
    consecutive: int = attrs.field(default=0, init=False)
    """Failures in a row."""
    ejections: int = attrs.field(default=0, init=False)
    """How often it was ejected, other than by hand."""
    until: float = attrs.field(default=-NEVER, init=False)
    """When it comes back, on Trio's clock; long ago if it is not out, never if it is out by hand."""
    _weight: int = attrs.field(default=0, init=False)
    """How many ejections made the last one so long. Each whole interval since its end takes one off, when the next one asks."""
    _due: float = attrs.field(default=NEVER, init=False)
    """When something changes by itself: it comes back, or the interval ends."""
    _life: int = attrs.field(default=1, init=False)
    """Each ejection begins a new one."""
    _out: bool = attrs.field(default=False, init=False)
    """Whether it was out when somebody looked last."""
    _calls: int = attrs.field(default=0, init=False)
    _failures: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.group.join(self)

    # -- the gate's side

    def admit(self, now: float) -> int:
        """A number to record the outcome under, or 0 while it is out."""
        while self._due <= now:
            self._look(now)
        return 0 if self._out else self._life

    def record(self, life: int, now: float, failed: bool) -> None:
        """Count what became of a call."""
        while self._due <= now:
            self._look(now)
        if life != self._life or self._out:
            return
        self.consecutive = self.consecutive + 1 if failed else 0
        settings = self.settings
        if settings.success_rate_threshold is not None:
            if self._due == NEVER:
                self._due = now + settings.interval_seconds
            self._calls += 1
            self._failures += failed
        if failed and 0 < settings.consecutive_errors <= self.consecutive:
            self._try_to_eject(now, now, f"{self.consecutive} errors in a row")

    def _look(self, now: float) -> None:
        if self._out:
            self._let_in(self.until)
        else:
            self._judge(now)

    def _judge(self, now: float) -> None:
        """An interval has ended."""
        ended, calls, failures = self._due, self._calls, self._failures
        self._due, self._calls, self._failures = NEVER, 0, 0
        threshold = self.settings.success_rate_threshold
        if threshold is not None and calls >= self.settings.minimum_calls and (calls - failures) / calls < threshold:
            self._try_to_eject(now, ended, f"{failures} of {calls} calls failed")

    def _try_to_eject(self, now: float, since: float, why: str) -> None:
        """Out from a moment on, if the group can do without it; nothing where that would be over by now."""
        settings = self.settings
        weight = self._weight_at(since) + 1
        seconds = min(settings.base_ejection_seconds * weight, settings.max_ejection_seconds)
        if (since < now and since + seconds <= now) or not self.group.has_place_for(self, now):
            return
        self._weight = weight
        self.ejections += 1
        self._put_out(since + seconds)
        log.warning("backend is ejected", backend=self.name, seconds=seconds, error=why)

    def _weight_at(self, time: float) -> int:
        if not self._weight:
            return 0
        return max(0, self._weight - int((time - self.until) / self.settings.interval_seconds))

    def _put_out(self, until: float) -> None:
        self._out = True
        self.until = self._due = until
        self._life += 1
        self._calls = self._failures = 0

    def _let_in(self, since: float) -> None:
        self._out = False
        self.until, self._due = since, NEVER
        self.consecutive = 0
        log.info("backend is let in again", backend=self.name)

    # -- what can be read, and done by hand

    def is_out(self, now: float) -> bool:
        """Whether it is out, as far as is known without judging anything."""
        return self._out and now < self.until

    @property
    def is_ejected(self) -> bool:
        """Whether it is out now."""
        return not self.admit(trio.current_time())

    @property
    def retry_after(self) -> float | None:
        """Seconds until it comes back; None if it is not out, or only until somebody lets it in."""
        now = trio.current_time()
        return self.until - now if not self.admit(now) and self.until < NEVER else None

    def eject(self) -> None:
        """Out until `uneject`, whatever its group can do without. It takes a place there, and makes no later ejection longer."""
        self._put_out(NEVER)

    def uneject(self) -> None:
        """Let it in, with nothing counted against it but how often it was out."""
        if self._out:
            self._let_in(trio.current_time())

    def move(self, group: Group) -> None:
        """Leave its group for another one, with all that is known about it."""
        self.leave()
        self.group = group
        group.join(self)

    def leave(self) -> None:
        """It is gone, or replaced: it takes no place in its group any more (RES-55)."""
        self.group.leave(self, trio.current_time())

    def statistics(self) -> OutlierStatistics:
        """What it has counted until now."""
        return snapshot(OutlierStatistics, self)
