"""Whether a peer moves its bytes fast enough, counting only the time that is spent waiting for it."""

from __future__ import annotations

import attrs

__all__ = ["Pace"]


@attrs.define(repr=False)
class Pace:
    """In each window of so many seconds, so many bytes must move. A peer that drips is over at the end of a window."""

    seconds: float
    least: int
    """Bytes per window."""
    _left: float = attrs.field(init=False)
    """Of the window, in seconds."""
    _mark: int = attrs.field(default=0, init=False)
    """Bytes that had moved when the window began."""
    _since: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.seconds

    def start(self, now: float, moved: int) -> float:
        """The wait begins; returns when it must be over. ``moved`` is how many bytes there were in all."""
        if moved - self._mark >= self.least:
            self._mark, self._left = moved, self.seconds
        self._since = now
        return now + self._left

    def stop(self, now: float) -> None:
        """The wait is over."""
        self._left -= now - self._since
