"""Times of day as the log shows them."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

__all__ = ["Stamps", "stamp"]


def stamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC; as they are where the calendar has no such day, since a wrong clock must cost no line."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.6f}"


@attrs.define(eq=False, repr=False)
class Stamps:
    """Makes many of them: those of one second have all but its fraction in common."""

    before: str = ""
    """Words in front of each."""
    _second: int = attrs.field(default=-1, init=False)
    _begin: str = attrs.field(default="", init=False)

    def at(self, seconds: float) -> str:
        """The words, and the time as `stamp` writes it."""
        second = int(seconds)
        if second != self._second:
            self._second, self._begin = second, self.before + stamp(second).partition(".")[0]
        return "%s.%06dZ" % (self._begin, (seconds - second) * 1e6)  # noqa: UP031  in half the time
