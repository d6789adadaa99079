"""What a child writes to its stderr: for the log as much as a log can bear, and the last lines for the message about its end.

Who writes more than the log takes is read at a bounded pace. Read as fast as it comes, a child that writes nothing but that kept a processor busy
with writing, and a quarter of another one with reading what is then left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from ..channel.lines import LineSplitter, Oversized
from ..channel.reading import in_pieces
from ..protocol.blot import Blot, unblotted
from ..telling.loggers import get_logger
from .diagnosis import printable
from .unasked import Tally

__all__ = ["Complaints"]

log = get_logger("sluicegate.backend.stderr")

LAST_WORDS = 20
"""Lines of stderr that are kept for the message about the end."""
LONGEST = 8192
"""Bytes of one line; more is cut."""
BURST, PER_SECOND = 200.0, 5.0
"""Lines for the log: at once, and for ever. One takes 60 µs to be logged, and 2 to be left out."""
FEW = 8
"""Lines that are logged without letting others go on."""
PACE = 2 * 1024 * 1024
"""Bytes a second that are read while nothing of them is logged: some 40 000 lines, which take a twentieth of a processor."""
SHORTEST_PAUSE = 0.005
"""Seconds: who writes line by line would else wake us for every single one."""
MINUTE = 60.0


@attrs.define(eq=False, repr=False)
class Complaints:
    """One child's."""

    backend: str
    blot: Blot = unblotted
    """Takes known secrets out."""
    tally: Tally = attrs.field(factory=Tally)
    """Counts on and on."""
    _last: deque[bytes] = attrs.field(factory=lambda: deque(maxlen=LAST_WORDS), init=False)
    _room: float = attrs.field(default=BURST, init=False)
    """Lines that may be logged at once."""
    _at: float = attrs.field(factory=trio.current_time, init=False)
    """When that was."""
    _left_out: int = attrs.field(default=0, init=False)
    _since: float = attrs.field(init=False)
    """When the first of those was left out."""

    async def hear(self, stream: trio.abc.ReceiveStream, may_pause: Callable[[], bool]) -> None:
        """Take all lines up to the end of the stream; others get their turn in between, however much has come at once.

        While ``may_pause`` says so, a child whose words reach no log is not listened to for a moment, and so waits before it can say more.
        What it says at its end is heard at once.
        """
        lines = LineSplitter(LONGEST)
        async for chunk in stream:
            unheard = len(chunk)
            for piece in in_pieces(bytes(chunk)):
                unheard -= await self._take_all(lines.feed(piece))
                if len(piece) < len(chunk):
                    await trio.lowlevel.checkpoint()
            if unheard > 0 and may_pause():
                await trio.sleep(max(unheard / PACE, SHORTEST_PAUSE))
        await self._take_all(lines.end())

    async def _take_all(self, lines: list[bytes | Oversized]) -> int:
        """How many bytes of them were logged, their ends included."""
        logged = size = 0
        for line in lines:
            text = line.head if isinstance(line, Oversized) else line
            if self.take(text):
                logged, size = logged + 1, size + len(text) + 1
                if logged % FEW == 0:
                    await trio.lowlevel.checkpoint()
        return size

    def take(self, line: bytes) -> bool:
        """Log a line, or count it; whether it was logged."""
        if not line or line.isspace():
            return False
        self._last.append(line)
        self.tally.stderr_lines += 1
        now = trio.current_time()
        self._room = min(BURST, self._room + (now - self._at) * PER_SECOND)
        self._at = now
        if self._room < 1.0:
            self._leave_out(now)
            return False
        text = self._shown(line)
        if text:
            self._room -= 1.0
            log.info("stderr", backend=self.backend, line=text)
        return bool(text)

    def _leave_out(self, now: float) -> None:
        if not self._left_out:
            log.warning("backend writes much to its stderr; lines are left out and counted", backend=self.backend)
            self._since = now
        self._left_out += 1
        self.tally.stderr_left_out += 1
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
