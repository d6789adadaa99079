"""Signals that come before anybody else listens: the program that is being started ends in good order, as it will when it runs.

Loads nothing, so that it stands before everything else is loaded, which takes most of the time until the gateway listens.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["FirstSignals", "ends", "has_terminal"]


def ends() -> list[signal.Signals]:
    """The signals that ask for an end in good order. A closed terminal does, but not under nohup."""
    found = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


def has_terminal() -> bool:
    """Whether a terminal belongs to this process: one that was closed does not any more, and a service has none from the beginning."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except (OSError, AttributeError):  # some systems know no such flags
        return False
    return True


class FirstSignals:
    """Handles them until the event loop does; what comes after that one has ended changes nothing any more."""

    def __init__(self, *, rereads: bool = False) -> None:
        self.over = False
        self.may_hang_up = not rereads or has_terminal()
        """Whether SIGHUP can mean that a terminal was closed. To a service it means that its configuration is another; it is about to be read."""

    def stand(self) -> None:
        """Listen from now on."""
        for number in ends():
            signal.signal(number, self)

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """End at once: nothing was begun, so there is nothing to put away."""
        if not self.over and (self.may_hang_up or number != signal.SIGHUP):
            os._exit(0)
