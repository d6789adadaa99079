"""Signals that come before anybody else listens: the program that is being started ends in good order, as it will when it runs.

Loads nothing, so that it stands before everything else is loaded, which takes most of the time until the gateway listens.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["FirstSignals", "ends"]


def ends() -> list[signal.Signals]:
    """The signals that ask for an end in good order. A closed terminal does, but not under nohup."""
    found = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


class FirstSignals:
    """Handles them until the event loop does; what comes after that one has ended changes nothing any more."""

    def __init__(self) -> None:
        self.over = False

    def stand(self) -> None:
        """Listen from now on."""
        for number in ends():
            signal.signal(number, self)

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """End at once: nothing was begun, so there is nothing to put away."""
        if not self.over:
            os._exit(0)
