"""When a canary is taken back, because it does worse than its primary: more of its calls fail, or they take longer (LIM-20).

What callers see of both is compared: a call counts with all attempts that one of them makes of it, and not with who answers after it. Nothing
runs in the background; a canary is judged by its own calls. One that was taken back stays so until somebody puts it back, since without calls
nothing can show that it does better.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import attrs
import trio

from ..protocol.calls import WORK, Call, Handler, Reply
from ..protocol.reply import TOOL_ERROR
from ..settings.stand_ins import CanaryGuardSettings
from ..telling.loggers import get_logger
from ..telling.statistics import counter, gauge, snapshot
from .gate import failed
from .latencies import FEWEST, quantile_of
from .window import TimeWindow

__all__ = ["CanaryGuard", "CanaryTrial", "CanaryTrialStatistics"]

log = get_logger("sluicegate.canary")

QUANTILE = 0.95
_MOST = 512
"""The latest successes whose times are looked at."""
_EACH = 16
"""Times are compared with one in so many of the canary's calls: that keeps the sorting at some microseconds a call."""
_CHANCE = 3
"""Standard deviations. One that does exactly as often as it may is looked at after each call, and is taken back for bad luck in up to 4 of 100 windows
of 3 000 calls; one that does as well as its primary, where it may fail twice as often, in none."""
_LEAST_SECONDS = 0.01
"""What is slower by less is not slower: between a millisecond and three lies nothing but chance."""


@attrs.frozen(repr=False)
class CanaryTrialStatistics:
    """What `CanaryTrial` has counted."""

    is_held_back: bool = attrs.field(
        metadata=gauge("canary_held_back", "Whether a canary gets no calls, because it did worse than its primary, or by hand.")
    )
    why: str
    """Empty where it is not."""
    rollbacks: Mapping[str, int] = attrs.field(metadata=counter("canary_rollbacks", "Times that a canary was taken back.", "cause"))


@attrs.define(eq=False, repr=False)
class _Side:
    """What became of the latest calls of one of the two."""

    window: TimeWindow
    _times: deque[tuple[float, float]] = attrs.field(factory=lambda: deque(maxlen=_MOST), init=False)
    """Of its successes: when each ended, and how long it took."""

    def add(self, now: float, seconds: float | None, has_failed: bool) -> None:
        """Count a call; a time that says nothing is None."""
        self.window.add(now, has_failed, False)
        if seconds is not None and not has_failed:
            self._times.append((now, seconds))

    def quantile(self, now: float) -> float | None:
        """The time in which nearly all of its successes came to an end; None while there are few."""
        times = [(seconds, False) for at, seconds in self._times if at > now - self.window.seconds]
        return quantile_of(times, QUANTILE) if len(times) >= FEWEST else None

    def clear(self) -> None:
        """Begin anew."""
        self.window.clear()
        self._times.clear()


@attrs.define(eq=False, repr=False)
class CanaryTrial:
    """A canary beside its primary."""

    name: str
    primary: str
    settings: CanaryGuardSettings
    why: str = attrs.field(default="", init=False)
    """Why it is held back; empty where it is not."""
    rollbacks: dict[str, int] = attrs.field(factory=lambda: {"errors": 0, "latency": 0}, init=False)
    """How often it was taken back, other than by hand."""
    life: int = attrs.field(default=0, init=False)
    """Each time that it is taken back or put back begins another; calls of an earlier one say nothing."""
    _canary: _Side = attrs.field(init=False)
    _primary: _Side = attrs.field(init=False)
    _calls: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        seconds = self.settings.window_seconds
        self._canary, self._primary = _Side(TimeWindow(seconds)), _Side(TimeWindow(seconds))

    @property
    def is_held_back(self) -> bool:
        """Whether it gets no calls; those that continue one of its own it gets nevertheless."""
        return bool(self.why)

    def record(self, life: int, now: float, seconds: float | None, has_failed: bool, *, of_canary: bool) -> None:
        """Count what became of a call."""
        if life != self.life or self.why:
            return
        (self._canary if of_canary else self._primary).add(now, seconds, has_failed)
        if of_canary:
            self._calls += 1
            self._judge(now)

    def _judge(self, now: float) -> None:
        canary, primary, settings = self._canary, self._primary, self.settings
        primary.window.forget(now)
        one, other = canary.window, primary.window
        if min(one.calls, other.calls) < settings.minimum_calls:
            return
        if one.failures >= settings.minimum_failures and _is_worse(one, other, settings.error_factor):
            self._take_back("errors", f"{one.failures} of {one.calls} calls failed, and {other.failures} of {other.calls} of its primary's")
        elif self._calls % _EACH == 0:
            slow, usual = canary.quantile(now), primary.quantile(now)
            if slow is not None and usual is not None and slow > max(settings.latency_factor * usual, usual + _LEAST_SECONDS):
                self._take_back("latency", f"95 % of its calls take up to {slow:.3g} s, and {usual:.3g} s those of its primary")

    def _take_back(self, cause: str, why: str) -> None:
        self.rollbacks[cause] += 1
        self.hold_back(why)
        log.warning("canary is taken back", backend=self.name, primary=self.primary, cause=cause, error=why)

    # -- by hand, too

    def hold_back(self, why: str = "by hand") -> None:
        """Give it no more calls, until `put_back`."""
        self._begin(why)

    def put_back(self) -> None:
        """Give it its share again, with nothing counted against it."""
        if self.why:
            self._begin("")
            log.info("canary gets its share again", backend=self.name, primary=self.primary)

    def _begin(self, why: str) -> None:
        self.why = why
        self.life += 1
        self._canary.clear()
        self._primary.clear()

    def statistics(self) -> CanaryTrialStatistics:
        """What it has counted until now."""
        return snapshot(CanaryTrialStatistics, self)


def _is_worse(one: TimeWindow, other: TimeWindow, factor: float) -> bool:
    """Whether one fails more than so many times as often as the other, by more than chance explains, of which both have their part."""
    allowed = factor * other.failures / other.calls
    rate = min(
        (one.failures + other.failures) / (factor * one.calls + other.calls), 1 / factor
    )  # the other's, if one were just as bad as it may be
    spread = factor * rate * (1 - factor * rate) / one.calls + factor**2 * rate * (1 - rate) / other.calls
    return one.failures / one.calls - allowed > _CHANCE * math.sqrt(max(spread, 0.0))


@attrs.frozen(repr=False)
class CanaryGuard:
    """Tell a trial what becomes of the calls of its canary, or of its primary."""

    inner: Handler
    trial: CanaryTrial
    of_canary: bool

    async def __call__(self, call: Call) -> Reply:
        """Pass it on, and count it. What is answered with what was kept says nothing, and no time that a person took does."""
        trial, began = self.trial, trio.current_time()
        life, reply = trial.life, None
        try:
            reply = await self.inner(call)
            return reply
        finally:
            if call.method in WORK and call.trail.kept is None:
                now = trio.current_time()
                bad = _ran_out(call, began, now) if reply is None else failed(reply.fault)
                if bad is False and reply is not None and trial.settings.count_tool_errors:
                    bad = reply.outcome(call.method) == TOOL_ERROR
                if bad is not None:
                    trial.record(life, now, None if call.trail.asked else now - began, bad, of_canary=self.of_canary)


def _ran_out(call: Call, began: float, now: float) -> bool | None:
    """Whether a call that was cut has failed: its time was up, and this backend had most of it."""
    trail = call.trail
    return True if now >= trail.ends_at and not trail.asked and 2 * (now - began) >= trail.allowed else None
