"""The open connections of one server, and which of them may go when another comes."""

from __future__ import annotations

from itertools import islice
from typing import Protocol

import attrs
import trio

__all__ = ["Guest", "Guests"]

LOOKED_AT = 64
"""Connections that are looked at when one must make room, and those that end in one turn of the event loop."""
PAUSE_SECONDS = 0.005
"""Between two such turns: 4 000 idle connections that ended in one held up everybody else for 280 ms."""


class Guest(Protocol):
    """A connection."""

    def end_if_idle(self) -> bool:
        """End it if it waits for a request of which nothing has come; whether it did."""
        ...


@attrs.define(eq=False, repr=False)
class Guests:
    """All of them, those that were not looked at for longest first."""

    _all: dict[Guest, None] = attrs.field(factory=dict, init=False)

    def add(self, guest: Guest) -> None:
        """One has come."""
        self._all[guest] = None

    def remove(self, guest: Guest) -> None:
        """It has gone."""
        del self._all[guest]

    def end_an_idle_one(self) -> bool:
        """Let one that is idle make room; whether one was found."""
        for guest in list(islice(self._all, LOOKED_AT)):
            if guest.end_if_idle():
                return True
            del self._all[guest]
            self._all[guest] = None
        return False

    async def end_idle_ones(self) -> None:
        """Let all that are idle go, some at a time."""
        for number, guest in enumerate(list(self._all), start=1):
            if guest in self._all:
                guest.end_if_idle()
            if number % LOOKED_AT == 0:
                await trio.sleep(PAUSE_SECONDS)
