"""One large piece of work at a time, and the small ones in between.

In Trio all tasks that are ready run before anybody looks at the sockets again, and a small call takes five such rounds from its request to its
answer. With thirty answers of a mebibyte on their way, each of these rounds read 64 KiB for all thirty: 2.5 ms, and the small call took 15.
"""

from __future__ import annotations

from collections import deque

import attrs
import trio

from .bell import Bell

__all__ = ["LONG", "REST", "Lane", "rest_after"]

LONG = 512 * 1024
"""Bytes that keep the others waiting for long, where all of them are read at once."""
REST = 1e-9
"""Seconds for each of them until the next turn: about as long as they may have taken."""


def rest_after(size: int) -> float:
    """Seconds for which nobody else should pass after so many bytes were read: a small call would meet such a turn in each of its rounds."""
    return size * REST if size >= LONG else 0.0


@attrs.define(eq=False)
class Lane:
    """Lets one task a round of the loop pass, in their order. Its owner runs `run` in a nursery of its own.

    Who may pass does its work before it yields. There is nothing to give back.
    """

    _taken: bool = attrs.field(default=False, init=False)
    """Somebody has passed in this round, or will in the next."""
    _ended: bool = attrs.field(default=True, init=False)
    """Nobody calls, because `run` has not begun or has ended; so everybody may pass."""
    _queue: deque[tuple[trio.Event, float]] = attrs.field(factory=deque, init=False)
    """Whoever waits, and the rest after each."""
    _rest: float = attrs.field(default=0.0, init=False)
    """Seconds until the next one is called."""
    _work: Bell = attrs.field(factory=Bell, init=False)

    def enter(self, rest: float = 0.0) -> bool:
        """Pass at once, if nobody else has; never blocks. Who may not has to `wait`.

        For ``rest`` seconds nobody else passes then.
        """
        if self._taken:
            return False
        if not self._ended:
            self._taken, self._rest = True, rest
        self._work.ring()
        return True

    async def wait(self, rest: float = 0.0) -> None:
        """Wait for a turn. Who is cancelled when it was called already leaves that round empty."""
        turn = (trio.Event(), rest)
        self._queue.append(turn)
        try:
            await turn[0].wait()
        finally:
            if not turn[0].is_set():
                self._queue.remove(turn)

    async def run(self) -> None:
        """Call one after the other until cancelled; then nobody has to wait any more."""
        self._ended = False
        try:
            while True:
                if self._rest:
                    rest, self._rest = self._rest, 0.0
                    await trio.sleep(rest)
                elif self._queue:
                    called, self._rest = self._queue.popleft()
                    called.set()
                    await trio.lowlevel.checkpoint()
                else:
                    self._taken = False
                    await self._work.wait()
        finally:
            self._ended, self._taken, self._rest = True, False, 0.0
            while self._queue:
                self._queue.popleft()[0].set()
