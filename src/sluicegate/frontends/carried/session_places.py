"""Where the session of a client on a connection of his own is kept, and who may have one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import attrs

from ...protocol.calls import Caller
from ...protocol.principal import NOBODY, Principal
from ...routing.directory import ListChange
from ..endpoint import Endpoint, Opening
from ..owners import NoPlace, Owner
from ..session_table import SessionTable
from ..sessions import Session
from ..stream import Downlink
from ..whose import Whose

__all__ = ["OwnPlace", "SessionPlaces", "TablePlaces", "connected"]


class SessionPlaces(Whose, Protocol):
    """Where sessions are kept, and whose they are."""

    @property
    def is_lost(self) -> bool:
        """Whether the client has gone, and takes no answers any more."""
        ...

    def subscribe(self, hear: Callable[[ListChange], None], wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``hear`` called when lists have changed, and then ``wake``; the result ends that."""
        ...

    def open(self, opening: Opening) -> Session | NoPlace:
        """A new session."""
        ...

    def end(self, session: Session) -> None:
        """It is over; one that was never opened, too."""
        ...


@attrs.frozen(eq=False, repr=False)
class OwnPlace:
    """That of the one client of a process, which needs no place among others."""

    endpoint: Endpoint
    principal: Principal = NOBODY
    network: str = ""
    is_lost: bool = attrs.field(default=False, init=False)
    """Who says no more may still read."""

    def subscribe(self, hear: Callable[[ListChange], None], wake: Callable[[], None]) -> Callable[[], None]:
        """Have both called at once."""

        def announce(change: ListChange) -> None:
            hear(change)
            wake()

        return self.endpoint.directory.subscribe(announce)

    def open(self, opening: Opening) -> Session:
        """A new session."""
        home = self.endpoint.home()
        caller = Caller(opening.version, opening.capabilities, home=home)
        return Session(caller, self.endpoint.limits, declares=self.endpoint.declares, home=home)

    def end(self, session: Session) -> None:
        """It is over."""
        session.end()

    def may_hold(self, size: int) -> bool:
        """There is nobody else whose room it would take."""
        del size
        return True

    def let_go(self, size: int) -> None:
        """Nothing was counted."""


@attrs.define(eq=False, repr=False)
class _Tether(Downlink):
    """What holds a session to its connection: as an open stream does, and when the session ends, that does."""

    on_end: Callable[[], None] = attrs.field(default=lambda: None, kw_only=True)

    def ring(self) -> None:
        """What there is to tell goes another way."""
        if not self.is_open:
            self.on_end()


@attrs.define(eq=False, repr=False)
class TablePlaces:
    """Among those of all who come over HTTP: a session counts as one, and the connection as a stream that was opened with GET."""

    table: SessionTable
    principal: Principal
    """Who the message has shown that is read now, where each shows something; else who the connection has."""
    network: str
    owner: Owner
    """Who has the connection, and all that comes on it."""
    on_end: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    """The session has to end, or the gateway drains."""
    is_lost: bool = attrs.field(default=False, init=False)
    """The client has gone, and takes no answers any more."""
    is_outlived: bool = attrs.field(default=False, init=False)
    """What the client has shown has ended, or was taken away."""
    _tethers: dict[Session, _Tether] = attrs.field(factory=dict, init=False)

    def subscribe(self, hear: Callable[[ListChange], None], wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``hear`` called at once, and ``wake`` in turn: there may be thousands."""
        return self.table.listeners.subscribe(hear, wake)

    def open(self, opening: Opening) -> Session | NoPlace:
        """A new session, if there is room for it. Nobody is told its id, so it is no ticket."""
        session = self.table.open(opening, self.principal, self.network, self.table.random_id())
        if isinstance(session, NoPlace):
            return session
        tether = self._tethers[session] = _Tether(_nothing, on_end=self.on_end)
        session.downlinks.add(tether)
        session.listeners.append(tether)
        return session

    def end(self, session: Session) -> None:
        """It is over."""
        tether = self._tethers.pop(session, None)
        if tether is None:
            session.end()
            return
        session.listeners.remove(tether)
        session.downlinks.remove(tether)
        self.table.end(session)

    def may_hold(self, size: int) -> bool:
        """Whether there is room for a large request of so many bytes; its owner's share is what all over HTTP share."""
        return self.table.may_hold(self.owner, size)

    def let_go(self, size: int) -> None:
        """It has its answer."""
        self.table.let_go(self.owner, size)

    def hang_up(self) -> None:
        """What was shown when the connection began is good no more."""
        self.is_outlived = True
        self.on_end()

    def lose(self) -> None:
        """The client has gone: nobody takes the answers to what it has asked."""
        self.is_lost = True
        for session in list(self._tethers):
            self.end(session)


@contextmanager
def connected(table: SessionTable, principal: Principal, network: str) -> Iterator[TablePlaces | NoPlace]:
    """A connection is there and counts as one of its owner's streams, whatever is said on it; or he has too many."""
    owner = table.owners.of(principal.key, network)
    if not table.may_stream(owner):
        yield NoPlace(429, f"you have {owner.streams} open streams; close one")
        return
    table.owners.begin_stream(owner)
    try:
        yield TablePlaces(table, principal, network, owner)
    finally:
        table.owners.end_stream(owner)


async def _nothing() -> dict[str, object]:
    """Nobody listens on a tether."""
    raise AssertionError
