"""Who has how many sessions, and streams, and whose must make room when another comes.

Nobody loses a session to somebody who has as many, and nobody at all who has no more than an equal part of all places. So whoever floods the
gateway crowds out himself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

import attrs
import msgspec

from .stream import EventLog

__all__ = ["HANDSHAKE_SECONDS", "NoPlace", "Owner", "Owners", "Place", "owner_key"]

HANDSHAKE_SECONDS = 10.0
"""Who did not go on after the handshake for so long is the first to go, when one must."""
LOOKED_AT = 64
"""Sessions of one owner, and owners, that are looked at when one must make room: it may not take longer the more there are."""


def owner_key(principal: str, network: str) -> tuple[str, str]:
    """Whose something is, by the key of the principal, or by the network where nobody has to say who he is."""
    return principal, "" if principal else network


class NoPlace(msgspec.Struct, frozen=True):
    """Why there is no room for one more, and what to answer."""

    status: int
    message: str


class Place(Protocol):
    """A session."""

    @property
    def ready(self) -> bool:
        """Whether its client has gone on after the handshake."""
        ...

    @property
    def used_at(self) -> float:
        """When it was in use last, on Trio's clock."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether something is open in it."""
        ...

    def touch(self, now: float | None = None) -> None:
        """It is in use now; its owner is told with `Owner.used`."""
        ...


@attrs.define(eq=False, repr=False)
class Owner:
    """One party, and all that is its own: a principal, or a network where nobody has to say who he is."""

    key: tuple[str, str] = ("", "")
    """The principal and the network, of which one is empty; where both are nothing is known of anybody."""
    kept: OrderedDict[EventLog, None] = attrs.field(factory=OrderedDict, init=False)
    """Finished answers that wait for a client to come back for them, oldest first; the table's bookkeeping, as what follows."""
    kept_bytes: int = attrs.field(default=0, init=False)
    streams: int = attrs.field(default=0, init=False)
    """Connections that were opened with GET, or carry a client alone."""
    open_bytes: int = attrs.field(default=0, init=False)
    """Of large requests that have no answer yet."""
    _fresh: OrderedDict[Place, None] = attrs.field(factory=OrderedDict, init=False)
    """Those whose handshake is not over, longest unused first."""
    _settled: OrderedDict[Place, None] = attrs.field(factory=OrderedDict, init=False)
    """All others, longest unused first."""

    @property
    def name(self) -> str:
        """For the log."""
        return self.key[0] or self.key[1]

    def __len__(self) -> int:
        return len(self._fresh) + len(self._settled)

    def add(self, place: Place) -> None:
        """A session has begun."""
        self._fresh[place] = None

    def remove(self, place: Place) -> None:
        """It has ended."""
        if place in self._fresh:
            del self._fresh[place]
        else:
            del self._settled[place]

    def used(self, place: Place) -> None:
        """It is in use now."""
        settled = self._settled
        if place in settled:
            settled.move_to_end(place)
        elif place in self._fresh:
            if place.ready:
                del self._fresh[place]
                settled[place] = None
            else:
                self._fresh.move_to_end(place)

    def first_to_go(self, now: float) -> Place | None:
        """Who would make room: who never finished the handshake, then who is unused for longest; None if all are busy."""
        fresh = _longest_unused(self._fresh, now)
        if fresh is not None and (_is_abandoned(fresh, now) or len(self._fresh) > len(self._settled)):
            return fresh  # or else a flood of handshakes would crowd out all who are at work
        return _longest_unused(self._settled, now) or fresh

    def idle_since(self, then: float, most: int) -> tuple[list[Place], bool]:
        """Up to so many sessions that were not used after that time, and whether there may be more."""
        found: list[Place] = []
        looked = 0
        for queue in (self._fresh, self._settled):
            for place in list(islice(queue, most - looked)):
                if place.used_at > then:
                    break
                looked += 1
                if place.is_busy:
                    place.touch()  # an open stream is use
                else:
                    found.append(place)
        return found, looked == most


def _is_abandoned(place: Place, now: float) -> bool:
    return not place.ready and now - place.used_at >= HANDSHAKE_SECONDS


def _longest_unused(queue: OrderedDict[Place, None], now: float) -> Place | None:
    for place in list(islice(queue, LOOKED_AT)):
        if not place.is_busy:
            return place
        place.touch(now)  # an open stream is use
    return None


@attrs.define(eq=False, repr=False)
class Owners:
    """All who have sessions, by how many they have, or streams alone."""

    _all: dict[tuple[str, str], Owner] = attrs.field(factory=dict, init=False)
    _by_size: dict[int, dict[Owner, None]] = attrs.field(factory=dict, init=False)
    streams: int = attrs.field(default=0, init=False)
    """Of all of them."""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Owner]:
        """All of them; meanwhile some may come and go."""
        return iter(list(self._all.values()))

    def of(self, principal: str, network: str) -> Owner:
        """Who that is; a new one becomes known with its first session, or stream."""
        key = owner_key(principal, network)
        owner = self._all.get(key)
        return Owner(key) if owner is None else owner

    def add(self, owner: Owner, place: Place) -> None:
        """An owner has one session more."""
        self._all[owner.key] = owner
        self._change(owner, place, owner.add)

    def remove(self, owner: Owner, place: Place) -> None:
        """An owner has one session less."""
        self._change(owner, place, owner.remove)
        self._forget_if_gone(owner)

    def begin_stream(self, owner: Owner) -> None:
        """An owner has one open stream more; as long as he has any he is known, with or without a session."""
        self._all[owner.key] = owner
        owner.streams += 1
        self.streams += 1

    def end_stream(self, owner: Owner) -> None:
        """An owner has one open stream less."""
        owner.streams -= 1
        self.streams -= 1
        self._forget_if_gone(owner)

    def _forget_if_gone(self, owner: Owner) -> None:
        if not (len(owner) or owner.streams):
            del self._all[owner.key]

    def _change(self, owner: Owner, place: Place, change: Callable[[Place], None]) -> None:
        before = self._by_size.get(len(owner))
        if before is not None:
            del before[owner]
            if not before:
                del self._by_size[len(owner)]
        change(place)
        if len(owner):
            self._by_size.setdefault(len(owner), {})[owner] = None

    def who_gives_way(self, to: Owner, most: int, now: float) -> Place | None:
        """The session that ends where all ``most`` places are taken and this owner wants one more; None if it has to go without."""
        everybody = sum(map(len, self._by_size.values())) + (not len(to))  # who has streams alone takes no place
        protected = max(len(to), most // everybody)
        looked = 0
        for size in sorted(self._by_size, reverse=True):  # 10 000 sessions have at most 140 different sizes
            if size <= protected or looked >= LOOKED_AT:
                break
            owners = self._by_size[size]
            some = list(islice(owners, LOOKED_AT - looked))
            looked += len(some)
            candidates = [place for owner in some if (place := owner.first_to_go(now)) is not None]
            for owner in some:
                owners[owner] = owners.pop(owner)  # the next time others are looked at: these may all be busy
            if candidates:
                return min(candidates, key=lambda place: (not _is_abandoned(place, now), place.used_at))
        return to.first_to_go(now)
