"""Calls that wait for their client to come back with what it was asked (P-105): how many there may be, and whose they are."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs

from ...protocol import faults
from ...protocol.calls import Caller, Trail
from ...protocol.fault import Fault
from ...protocol.messages import Params
from ...protocol.question import Question
from ...telling.statistics import counter, gauge
from ..exchange import Outlet

__all__ = ["MOST_ASKED_BYTES", "Comeback", "Front", "LoneOutlet", "Occupant", "Parking", "ParkingStatistics"]


MOST_ASKED_BYTES = 64 * 1024 * 1024
"""Of questions to all clients together."""


@attrs.frozen(repr=False)
class ParkingStatistics:
    """What `Parking` has counted."""

    parked: int = attrs.field(metadata=gauge("parked_calls", "Calls whose clients were asked something by an answer, and come back."))
    refused: int = attrs.field(metadata=counter("parked_calls_refused", "Calls that were ended since there was no place to wait in."))


class LoneOutlet(Outlet, Protocol):
    """The answer to one request, which may be one of several that one call takes."""

    def ends_with(self, fault: Fault | None) -> None:
        """The reply is about to come, and this is how it ends; what stands above it follows from that."""
        ...


@attrs.frozen(repr=False)
class Comeback:
    """A request with which a client comes back to its call."""

    occupant: Occupant
    number: int
    """Of the round of questions that it answers."""
    params: Params
    caller: Caller

    @property
    def trail(self) -> Trail:
        """Of the call."""
        return self.occupant.trail


@attrs.define(eq=False, repr=False)
class Front:
    """Where clients come in, and come back."""

    closed: str = attrs.field(default="", init=False)
    """Why nobody comes back any more; empty while somebody may."""


class Occupant(Protocol):
    """A call with a place here."""

    @property
    def owner(self) -> tuple[str, str]:
        """Whose it is: a principal, or a network; both empty where nothing is known."""
        ...

    @property
    def trail(self) -> Trail:
        """Of the call."""
        ...

    @property
    def front(self) -> Front:
        """Where its client comes in."""
        ...

    def strand(self, why: str) -> None:
        """Its client does not come back. If he is away it has to end; else he may still have its answer. Sync."""
        ...

    def leave(self, answer: LoneOutlet, *, has_it: bool) -> None:
        """Nobody waits for that answer any more, and this is whether whoever did has got it. Sync."""
        ...

    def go_on(self, comeback: Comeback, id: bytes, answer: LoneOutlet) -> Fault | None:
        """Its client is back; why it cannot go on, if so. Sync."""
        ...


@attrs.define(eq=False, repr=False)
class Parking:
    """Their places, of all fronts together. Who got one keeps it until the call has ended, so that nobody is turned away half-way."""

    most: int
    """0 is none: then no backend is told that it may ask such a client anything."""
    seconds: float
    """How long one waits for its client."""
    secret: Callable[[int], bytes] = attrs.field(repr=False)
    refused: int = attrs.field(default=0, init=False)
    """Calls that ended because there was no place."""
    _everywhere: Front = attrs.field(factory=Front, init=False)
    """All fronts together."""
    _occupants: dict[str, Occupant] = attrs.field(factory=dict, init=False)
    _asked: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)
    """Bytes of the questions that are open, by owner. They are kept, since their client may have to be asked again."""
    _counts: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)

    def __len__(self) -> int:
        return len(self._occupants)

    def statistics(self) -> ParkingStatistics:
        """How many there are, and what it has counted until now."""
        return ParkingStatistics(len(self._occupants), self.refused)

    def take_in(self, occupant: Occupant, target: str) -> str | Fault:
        """What a call is known by from now on, or why there is no place: one owner may have as many as are left for all others."""
        mine, all_ = self._counts[occupant.owner], len(self._occupants)
        if all_ >= self.most or (any(occupant.owner) and mine and mine >= self.most - all_):
            self.refused += 1
            whose = f"you have {mine} calls" if all_ < self.most else f"there are {all_} calls"
            return faults.no_place_to_wait(target, f"{whose} already that wait for answers")
        name = base64.urlsafe_b64encode(self.secret(12)).decode()
        self._occupants[name] = occupant
        self._counts[occupant.owner] += 1
        return name

    def let_go(self, name: str) -> None:
        """The call has ended."""
        occupant = self._occupants.pop(name)
        self._counts[occupant.owner] -= 1
        if not self._counts[occupant.owner]:
            del self._counts[occupant.owner]

    def hold(self, question: Question, owner: tuple[str, str]) -> Fault | None:
        """Keep a question until it is over, or say why not: one owner may have as many bytes as are left for all others."""
        size = sum(memoryview(raw).nbytes for raw in question.params.values())
        asked, mine = self._asked.total(), self._asked[owner] if any(owner) else 0
        if mine + size > MOST_ASKED_BYTES - asked:
            return faults.overloaded(question.method, f"{asked} bytes of questions wait for clients already")
        self._asked[owner] += size
        question.when_over(partial(self._forget, owner, size))
        return None

    def _forget(self, owner: tuple[str, str], size: int) -> None:
        self._asked[owner] -= size
        if not self._asked[owner]:
            del self._asked[owner]

    def find(self, name: str) -> Occupant | None:
        """The call that is known by this."""
        return self._occupants.get(name)

    def closed(self, front: Front) -> str:
        """Why nobody comes back there any more, so that there is no use in asking; empty while somebody may."""
        return front.closed or self._everywhere.closed

    def close(self, why: str, front: Front | None = None) -> None:
        """Nobody comes back to that front any more, or to any: what waits for that ends, and nothing begins to."""
        shut = front or self._everywhere
        shut.closed = why
        for occupant in list(self._occupants.values()):
            if front is None or occupant.front is front:
                occupant.strand(why)
