"""What a backend sends that nobody asked for, and how much of it is taken.

Each request of a backend costs an answer, and each line that is no message a look. A few are everyday; a flood of them would take the time of
everybody else. So a reader lets others go on between small pieces of what has come (``channel/reading.py``), and a session that has too much
of it is ended.
"""

from __future__ import annotations

import attrs
import trio

from ..protocol.why import Why

__all__ = ["MOST_GARBAGE", "MOST_REQUESTS", "WINDOW_SECONDS", "Tally", "Unasked", "tally_of"]

MOST_REQUESTS = 1000
"""Requests within the window, pings included; the next one is too many. Well-behaved servers ping every few seconds."""
MOST_GARBAGE = 10_000
"""Messages that are none, or that answer no open call; some programs print what they do for every call."""
WINDOW_SECONDS = 10.0


@attrs.define(eq=False, repr=False)
class Tally:
    """All that ever came on one link, through however many sessions."""

    requests: int = 0
    """Those that we answer ourselves: pings, and questions that go to nobody."""
    garbage: int = 0
    """Messages that are none, or that answer no open call."""
    stderr_lines: int = 0
    stderr_left_out: int = 0
    """Of these, those that are not in the log."""


def tally_of(inbox: object) -> Tally:
    """The one of the link that a session's inbox is; a new one, where the inbox is somebody else's."""
    tally = getattr(inbox, "tally", None)
    return tally if isinstance(tally, Tally) else Tally()


@attrs.define(eq=False, repr=False)
class Unasked:
    """Counts for one session. A window begins with the first that comes after the last one is over."""

    tally: Tally = attrs.field(factory=Tally)
    """Counts on and on."""
    requests: int = attrs.field(default=0, init=False)
    """In this window."""
    garbage: int = attrs.field(default=0, init=False)
    """In this window."""
    _since: float = attrs.field(default=float("-inf"), init=False)

    def request(self) -> Why | None:
        """One more request has come; why the session has to end, or None."""
        self._look()
        self.tally.requests += 1
        self.requests += 1
        return self._too_many(self.requests, MOST_REQUESTS, "requests that nobody asked for")

    def no_message(self) -> Why | None:
        """One more piece of garbage has come; why the session has to end, or None."""
        self._look()
        self.tally.garbage += 1
        self.garbage += 1
        return self._too_many(self.garbage, MOST_GARBAGE, "messages that could not be used")

    def _look(self) -> None:
        now = trio.current_time()
        if now - self._since >= WINDOW_SECONDS:
            self._since = now
            self.requests = self.garbage = 0

    def _too_many(self, count: int, most: int, what: str) -> Why | None:
        return Why(f"it sent {count} {what} within {trio.current_time() - self._since:.1f} s") if count > most else None
