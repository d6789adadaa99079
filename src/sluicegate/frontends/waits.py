"""What clients wait for over HTTP, and when they are to hear something all the same: a timer of each kind for all together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from ..waiting.overdue import Overdue
from .standing import Standing
from .stream import Downlink

__all__ = ["Unanswered", "Waits"]

PATIENCE_SECONDS = 2.0
"""So long a client hears nothing of its call; what is answered before that can be plain JSON."""
KEEP_ALIVE_SECONDS = 15.0
"""An answer that is under way gets a comment that often, so that nobody between us and the client takes it for dead."""
LISTENERS_SECONDS = 30.0
"""The same for streams that answer nothing: there may be very many of them, and each comment wakes a task."""


class Unanswered(Protocol):
    """An answer that has not begun."""

    def begin_stream(self) -> None:
        """Begin, with nothing to say yet. Must not wait for anything, nor raise."""
        ...


def _begin(answer: Unanswered) -> None:
    answer.begin_stream()


@attrs.define(eq=False, repr=False)
class Waits:
    """Those of one gateway."""

    wall: Callable[[], float]
    """The time of day in seconds."""
    answers: Overdue[Unanswered] = attrs.field(factory=lambda: Overdue(PATIENCE_SECONDS, _begin), init=False)
    """Answers that are not there yet: one that takes long begins, so that its client hears something and can come back for the rest."""
    quiet: Overdue[Downlink] = attrs.field(factory=lambda: Overdue(KEEP_ALIVE_SECONDS, Downlink.nudge), init=False)
    """Answers that have begun and have nothing to tell."""

    listeners: Overdue[Downlink] = attrs.field(factory=lambda: Overdue(LISTENERS_SECONDS, Downlink.nudge), init=False)
    """Streams on which is told what belongs to no answer, and on which there is nothing to tell."""
    standing: Standing = attrs.field(default=attrs.Factory(lambda self: Standing(self.wall), takes_self=True), init=False)
    """What ends with the token that was shown for it."""

    def begin(self, nursery: trio.Nursery) -> None:
        """Start the timers."""
        nursery.start_soon(self.answers.run)
        nursery.start_soon(self.quiet.run)
        nursery.start_soon(self.listeners.run)
        nursery.start_soon(self.standing.run)
