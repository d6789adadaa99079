"""Who writes and judges session tickets, as a process would have it: with a clock of its own, and perhaps a folder that others use, too."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import trio

from sluicegate.frontends.ticket_office import TicketOffice
from sluicegate.outside.key_folder import KeyFolder
from sluicegate.sources import VIRTUAL_EPOCH, Sources
from sluicegate.testing import run_inline

__all__ = ["DAY", "WEEK", "WallClock", "office"]

DAY = 86_400.0
WEEK = 7 * DAY


@attrs.define
class WallClock:
    """The time of day; it may be set."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return VIRTUAL_EPOCH + trio.current_time() + self.ahead


def office(folder: Path | None = None, *, wall: WallClock | None = None, lifetime: float = WEEK) -> TicketOffice:
    """Another process's."""
    store = None if folder is None else KeyFolder(folder, run_inline)
    return TicketOffice(Sources(wall or WallClock(), secret=os.urandom), lifetime, store)
