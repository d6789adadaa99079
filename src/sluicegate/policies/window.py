"""What became of the last calls, by number or by time: how many there were, and how many of them failed or were slow."""

from __future__ import annotations

from collections import deque

import attrs

__all__ = ["GRAINS", "CountWindow", "TimeWindow"]

GRAINS = 60
"""Parts of a window by time, each forgotten as a whole. So much is kept, however many calls come; and what counts is never older than the
window, nor forgotten more than one part of it too early."""

_FAILED, _SLOW = 1, 2


@attrs.define(eq=False, repr=False)
class CountWindow:
    """The last so many outcomes, exactly."""

    size: int
    calls: int = attrs.field(default=0, init=False)
    failures: int = attrs.field(default=0, init=False)
    slow: int = attrs.field(default=0, init=False)
    _marks: deque[int] = attrs.field(factory=deque, init=False)
    """One per outcome, oldest first."""

    def add(self, now: float, failed: bool, slow: bool) -> None:
        """Count one more, and forget the one that does not fit any longer."""
        del now
        marks = self._marks
        if self.calls == self.size:
            oldest = marks.popleft()
            if oldest:
                self.failures -= oldest & _FAILED
                self.slow -= oldest >> 1
        else:
            self.calls += 1
        if not (failed or slow):
            marks.append(0)
            return
        marks.append(failed * _FAILED | slow * _SLOW)
        self.failures += failed
        self.slow += slow

    def forget(self, now: float) -> None:
        """Nothing grows old here."""

    def clear(self) -> None:
        """Start with nothing."""
        self._marks.clear()
        self.calls = self.failures = self.slow = 0


@attrs.define(eq=False, repr=False)
class _Grain:
    """The outcomes of one part of the time."""

    number: int
    calls: int = 0
    failures: int = 0
    slow: int = 0


@attrs.define(eq=False, repr=False)
class TimeWindow:
    """The outcomes of the last so many seconds, exact to one of `GRAINS` parts."""

    seconds: float
    calls: int = attrs.field(default=0, init=False)
    failures: int = attrs.field(default=0, init=False)
    slow: int = attrs.field(default=0, init=False)
    _grains: deque[_Grain] = attrs.field(factory=deque, init=False)
    """Those in which there was a call, oldest first."""

    def add(self, now: float, failed: bool, slow: bool) -> None:
        """Count one more, and forget what is too old."""
        number = self._number(now)
        if not self._grains or self._grains[-1].number != number:
            self.forget(now)
            self._grains.append(_Grain(number))
        grain = self._grains[-1]
        self.calls += 1
        grain.calls += 1
        if failed:
            self.failures += 1
            grain.failures += 1
        if slow:
            self.slow += 1
            grain.slow += 1

    def forget(self, now: float) -> None:
        """Forget what is too old."""
        newest_old = self._number(now) - GRAINS
        while self._grains and self._grains[0].number <= newest_old:
            grain = self._grains.popleft()
            self.calls -= grain.calls
            self.failures -= grain.failures
            self.slow -= grain.slow

    def clear(self) -> None:
        """Start with nothing."""
        self._grains.clear()
        self.calls = self.failures = self.slow = 0

    def _number(self, now: float) -> int:
        return int(now * GRAINS // self.seconds)
