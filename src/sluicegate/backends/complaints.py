"""What a child writes to its stderr: for the log as much as a log can bear, and the last lines for the message about its end."""

from __future__ import annotations

from collections import deque

import attrs
import trio

from ..events import get_logger
from ..protocol.blot import Blot, unblotted
from .diagnosis import printable

__all__ = ["Complaints"]

log = get_logger("sluicegate.backend.stderr")

LAST_WORDS = 20
"""Lines of stderr that are kept for the message about the end."""
BURST, PER_SECOND = 200.0, 5.0
"""Lines for the log: at once, and for ever. One takes 60 µs to be logged, and 2 to be left out."""
MINUTE = 60.0


@attrs.define(eq=False)
class Complaints:
    """One child's."""

    backend: str
    blot: Blot = unblotted
    """Takes known secrets out."""
    _last: deque[bytes] = attrs.field(factory=lambda: deque(maxlen=LAST_WORDS), init=False)
    _room: float = attrs.field(default=BURST, init=False)
    """Lines that may be logged at once."""
    _at: float = attrs.field(factory=trio.current_time, init=False)
    """When that was."""
    _left_out: int = attrs.field(default=0, init=False)
    _since: float = attrs.field(default=0.0, init=False)
    """When the first of those was left out."""

    def take(self, line: bytes) -> None:
        """Log a line, or count it."""
        if not line or line.isspace():
            return
        self._last.append(line)
        now = trio.current_time()
        self._room = min(BURST, self._room + (now - self._at) * PER_SECOND)
        self._at = now
        if self._room < 1.0:
            self._leave_out(now)
        elif text := self._shown(line):
            self._room -= 1.0
            log.info("stderr", backend=self.backend, line=text)

    def _leave_out(self, now: float) -> None:
        if not self._left_out:
            log.warning("backend writes much to its stderr; lines are left out and counted", backend=self.backend)
            self._since = now
        self._left_out += 1
        if now >= self._since + MINUTE:
            self.finish()

    def finish(self) -> None:
        """Tell how many lines were left out since this was told."""
        if self._left_out:
            log.warning("lines of a backend were left out", backend=self.backend, left_out=self._left_out)
            self._left_out = 0

    @property
    def last_words(self) -> list[str]:
        """The last lines, fit for a message to the operator."""
        return [text for line in self._last if (text := self._shown(line))]

    def _shown(self, line: bytes) -> str:
        return self.blot(printable(line))
