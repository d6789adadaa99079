"""Answers that take long: one timer for all of them sees to it that their clients hear something, and can come back for the rest."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import Protocol

import attrs
import trio

from ..waiting.bell import Bell
from .chores import FEW, PAUSE_SECONDS

__all__ = ["PATIENCE_SECONDS", "SlowAnswers", "Unanswered"]

PATIENCE_SECONDS = 2.0
"""So long a client hears nothing of its call; what is answered before that can be plain JSON."""


class Unanswered(Protocol):
    """An answer that has not begun."""

    def begin_stream(self) -> None:
        """Begin, with nothing to say yet. Must not wait for anything, nor raise."""
        ...


@attrs.define(eq=False)
class SlowAnswers:
    """Begins answers that are not there in time. Nearly all are, so what costs is `expect` and `forget`."""

    _expected: dict[Unanswered, float] = attrs.field(factory=dict, init=False)
    """Since when each is waited for; the oldest first."""
    _bell: Bell = attrs.field(factory=Bell, init=False)
    _is_idle: bool = attrs.field(default=False, init=False)
    """The timer waits for the bell, and not for a time."""
    woken: int = attrs.field(default=0, init=False)
    """How often it has looked."""

    def __len__(self) -> int:
        return len(self._expected)

    def expect(self, answer: Unanswered) -> None:
        """It should be there soon."""
        self._expected[answer] = trio.current_time()
        if self._is_idle:
            self._is_idle = False
            self._bell.ring()

    def forget(self, answer: Unanswered) -> None:
        """It is there, has begun, or is of no interest any more."""
        self._expected.pop(answer, None)

    async def run(self) -> None:
        """Begin those that are overdue, a few at a time, until cancelled."""
        try:
            while True:
                while not self._expected:
                    self._is_idle = True
                    await self._bell.wait()
                due = next(iter(self._expected.values())) + PATIENCE_SECONDS
                await trio.sleep_until(max(due, trio.current_time() + PAUSE_SECONDS))
                self.woken += 1
                self._begin_some(trio.current_time() - PATIENCE_SECONDS)
        finally:
            self._is_idle = False

    def _begin_some(self, latest: float) -> None:
        overdue = takewhile(lambda expected: expected[1] <= latest, self._expected.items())
        for answer, _since in list(islice(overdue, FEW)):
            del self._expected[answer]
            answer.begin_stream()
