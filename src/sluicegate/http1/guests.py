"""The open connections of one server, and which of them may go when another comes."""

from __future__ import annotations

from itertools import islice
from typing import Protocol

import attrs

__all__ = ["Guest", "Guests"]

LOOKED_AT = 64
"""Connections that are looked at when one must make room."""


class Guest(Protocol):
    """A connection."""

    def end_if_idle(self) -> bool:
        """End it if it waits for a request of which nothing has come; whether it did."""
        ...


@attrs.define(eq=False)
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

    def end_idle_ones(self) -> None:
        """Let all that are idle go."""
        for guest in list(self._all):
            guest.end_if_idle()
