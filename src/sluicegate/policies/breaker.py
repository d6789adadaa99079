"""When nothing is sent for a while to a backend that fails too often (RES-40 … RES-45).

Closed, it looks at the last outcomes. Open, it refuses. After a wait the first call makes it half-open: a few calls are let through as probes,
and what becomes of them decides. `sluicegate.policies.gate.Gate` asks it before each attempt, and tells it what became of it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs
import trio

from ..telling.loggers import get_logger
from ..telling.statistics import counter, snapshot, state
from .settings import BreakerSettings
from .window import CountWindow, TimeWindow

__all__ = ["Breaker", "BreakerState", "BreakerStatistics"]

log = get_logger("sluicegate.breaker")

PATIENCE = 30.0
"""Seconds, or the wait where that is longer, after which probes that say nothing do not keep others from trying: three answers that a backend
has lost would else shut it out for ever, where calls have no deadline."""


class BreakerState(enum.Enum):
    """What it does with calls; the words are those of the admin view (RES-45)."""

    CLOSED = "Closed"
    OPEN = "Open"
    HALF_OPEN = "HalfOpen"
    FORCED_OPEN = "ForcedOpen"
    FORCED_CLOSED = "ForcedClosed"

    @property
    def health(self) -> str:
        """The same as one word about the backend."""
        return _HEALTH[self]


_HEALTH = {
    BreakerState.CLOSED: "healthy",
    BreakerState.OPEN: "unhealthy",
    BreakerState.HALF_OPEN: "degraded",
    BreakerState.FORCED_OPEN: "unhealthy",
    BreakerState.FORCED_CLOSED: "healthy",
}


@attrs.frozen(repr=False)
class BreakerStatistics:
    """What `Breaker` has counted."""

    state: BreakerState = attrs.field(metadata=state("breaker_state", "1 for the state that its breaker is in, 0 for the others."))
    opened: int = attrs.field(metadata=counter("breaker_opened", "Times that its breaker opened."))


@attrs.define(eq=False, repr=False)
class Breaker:
    """What one backend's breaker knows. It is read without changing it.

    A permit is the number of a generation, and each change of state begins a new one: what becomes of a call that was let through in an
    earlier state says nothing about this one.
    """

    name: str
    settings: BreakerSettings
    on_change: Callable[[Breaker], None] = lambda _breaker: None
    """Told after each change of state. Sync."""
    state: BreakerState = attrs.field(default=BreakerState.CLOSED, init=False)
    opened: int = attrs.field(default=0, init=False)
    """How often it has opened by itself."""
    _window: CountWindow | TimeWindow = attrs.field(init=False)
    """Open and half-open it still shows why that is; it is empty again as soon as it closes."""
    _passes: bool = attrs.field(default=True, init=False)
    """Whether it lets all calls through."""
    _generation: int = attrs.field(default=1, init=False)
    _first: int = attrs.field(default=1, init=False)
    """The first generation of this state."""
    _until: float = attrs.field(default=0.0, init=False)
    """Open: when the wait is over. Half-open with all permits out: when new ones are given in any case."""
    _probing: int = attrs.field(default=0, init=False)
    _succeeded: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._window = _window(self.settings)

    # -- the gate's side

    def admit(self, now: float) -> int:
        """A permit, or 0. After the wait the first one who asks makes it half-open."""
        if self._passes:
            return self._generation
        if self._refuses(now):
            return 0
        if self.state is BreakerState.OPEN:
            self._enter(BreakerState.HALF_OPEN)
            return self.admit(now)  # who was told of it may have forced it
        if self._is_full:
            self._probing = 0
            self._generation += 1
        self._probing += 1
        self._until = now + max(PATIENCE, self.settings.wait_duration_seconds)
        return self._generation

    def record(self, permit: int, now: float, failed: bool | None, slow: bool) -> None:
        """Take a permit back, and count what became of the call.

        Args:
            permit: what `admit` gave.
            now: the time.
            failed: None if nobody can tell: it was cut, or never sent.
            slow: it took as long as a slow call, or was cut after that.
        """
        if permit < self._first:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._end_probe(permit, now, failed, slow)
        elif failed is not None or slow:
            window = self._window
            window.add(now, failed is True, slow)
            if (window.failures or window.slow) and self.state is BreakerState.CLOSED and self._is_too_bad():
                self._open(now)

    def _end_probe(self, permit: int, now: float, failed: bool | None, slow: bool) -> None:
        """One bad outcome is enough to wait again; a slow one is bad (where slow calls are looked at)."""
        if permit == self._generation:
            self._probing -= 1
        if failed or slow:
            self._open(now)
        elif failed is False:
            self._succeeded += 1
            if self._succeeded >= self.settings.permitted_calls_in_half_open:
                self._enter(BreakerState.CLOSED)

    def _is_too_bad(self) -> bool:
        window, settings = self._window, self.settings
        if window.calls < settings.minimum_calls:
            return False
        return (
            window.failures / window.calls >= settings.failure_rate_threshold
            or window.slow / window.calls >= settings.slow_call_rate_threshold
        )

    @property
    def _is_full(self) -> bool:
        return self._probing + self._succeeded >= self.settings.permitted_calls_in_half_open

    def _refuses(self, now: float) -> bool:
        if self.state is BreakerState.OPEN or (self.state is BreakerState.HALF_OPEN and self._is_full):
            return now < self._until
        return self.state is BreakerState.FORCED_OPEN

    def _open(self, now: float) -> None:
        self.opened += 1
        self._until = now + self.settings.wait_duration_seconds
        self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        changed = state is not self.state
        self.state = state
        self._generation += 1
        self._first = self._generation
        self._probing = self._succeeded = 0
        self._passes = state in {BreakerState.CLOSED, BreakerState.FORCED_CLOSED}
        if self._passes:
            self._window.clear()
        if changed:
            self._tell()

    def _tell(self) -> None:
        try:
            self.on_change(self)
        except Exception:  # who only listens must not cost a call
            log.exception("bug in what is told of a breaker", backend=self.name, state=self.state.value)

    # -- what can be read

    @property
    def is_open(self) -> bool:
        """Whether it would refuse a call now."""
        return not self._passes and self._refuses(trio.current_time())

    @property
    def is_half_open(self) -> bool:
        """Whether calls are probes now; also when the next one would be the first."""
        if self.state is BreakerState.OPEN:
            return trio.current_time() >= self._until
        return self.state is BreakerState.HALF_OPEN

    @property
    def retry_after(self) -> float | None:
        """Seconds until it lets a call through; None if it does so now, or if nobody knows: it is forced open, or all probes are under way."""
        left = self._until - trio.current_time()
        return left if self.state is BreakerState.OPEN and left > 0 else None

    @property
    def calls(self) -> int:
        """Outcomes in the window."""
        return self._window_now().calls

    @property
    def failure_rate(self) -> float:
        """Of the calls in the window, from 0 to 1."""
        window = self._window_now()
        return window.failures / window.calls if window.calls else 0.0

    @property
    def slow_rate(self) -> float:
        """Of the calls in the window, from 0 to 1."""
        window = self._window_now()
        return window.slow / window.calls if window.calls else 0.0

    def _window_now(self) -> CountWindow | TimeWindow:
        self._window.forget(trio.current_time())
        return self._window

    # -- by hand

    def force_open(self) -> None:
        """Refuse all calls until told otherwise."""
        self._enter(BreakerState.FORCED_OPEN)

    def force_closed(self) -> None:
        """Let all calls through until told otherwise, and still count."""
        self._enter(BreakerState.FORCED_CLOSED)

    def reset(self) -> None:
        """Closed, with nothing in the window."""
        self._enter(BreakerState.CLOSED)

    def statistics(self) -> BreakerStatistics:
        """What it has counted until now."""
        return snapshot(BreakerStatistics, self)


def _window(settings: BreakerSettings) -> CountWindow | TimeWindow:
    """A new one; by number it is never too small to open."""
    if settings.window_seconds is not None:
        return TimeWindow(settings.window_seconds)
    return CountWindow(max(settings.window_calls or 0, settings.minimum_calls))
