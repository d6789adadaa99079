"""Where the session of a client on a connection of his own is kept, and who may have one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from ...protocol.calls import Caller
from ...protocol.principal import NOBODY, Principal
from ..endpoint import Endpoint, Opening
from ..owners import NoPlace
from ..session_table import SessionTable
from ..sessions import Session
from ..stream import Downlink

__all__ = ["OwnPlace", "SessionPlaces", "TablePlaces"]


class SessionPlaces(Protocol):
    """Where sessions are kept, and whose they are."""

    @property
    def principal(self) -> Principal:
        """Who has connected."""
        ...

    @property
    def network(self) -> str:
        """From where; empty where that is known of nobody."""
        ...

    def open(self, opening: Opening) -> Session | NoPlace:
        """A new session."""
        ...

    def end(self, session: Session) -> None:
        """It is over; one that was never opened, too."""
        ...


@attrs.frozen(eq=False)
class OwnPlace:
    """That of the one client of a process, which needs no place among others."""

    endpoint: Endpoint
    principal: Principal = NOBODY
    network: str = ""

    def open(self, opening: Opening) -> Session:
        """A new session."""
        home = self.endpoint.home()
        caller = Caller(opening.version, opening.capabilities, home=home)
        return Session(caller, self.endpoint.limits, declares=self.endpoint.declares, home=home)

    def end(self, session: Session) -> None:
        """It is over."""
        session.end()


@attrs.define(eq=False)
class _Tether(Downlink):
    """What holds a session to its connection: as an open stream does, and when the session ends, that does."""

    on_end: Callable[[], None] = attrs.field(default=lambda: None, kw_only=True)

    def ring(self) -> None:
        """What there is to tell goes another way."""
        if not self.is_open:
            self.on_end()


@attrs.define(eq=False)
class TablePlaces:
    """Among those of all who come over HTTP: each counts as a session, and its connection as a stream that was opened with GET."""

    table: SessionTable
    principal: Principal
    network: str
    on_end: Callable[[], None]
    """The session has to end, or the gateway drains."""
    _tethers: dict[Session, _Tether] = attrs.field(factory=dict, init=False)

    def open(self, opening: Opening) -> Session | NoPlace:
        """A new session, if there is room for it and its stream."""
        session = self.table.open(opening, self.principal, self.network)
        if isinstance(session, NoPlace):
            return session
        if not self.table.may_stream(session.owner):
            streams = session.owner.streams
            self.table.end(session)
            return NoPlace(429, f"you have {streams} open streams; close one")
        tether = self._tethers[session] = _Tether(_nothing, on_end=self.on_end)
        self.table.begin_stream(session, tether)
        session.listeners.append(tether)
        return session

    def end(self, session: Session) -> None:
        """It is over."""
        tether = self._tethers.pop(session, None)
        if tether is None:
            session.end()
            return
        session.listeners.remove(tether)
        self.table.end_stream(session, tether)
        self.table.end(session)

    def lose(self) -> None:
        """The client has gone: nobody takes the answers to what it has asked."""
        for session in list(self._tethers):
            self.end(session)


async def _nothing() -> dict[str, object]:
    """Nobody listens on a tether."""
    raise AssertionError
