"""How a session goes on that this process does not know: it was opened by another, or was unused for too long."""

from __future__ import annotations

import attrs

from ..protocol.offers import KINDS
from ..protocol.principal import Principal
from ..telling.loggers import get_logger
from .endpoint import Endpoint
from .owners import NoPlace
from .session_table import SessionTable
from .sessions import Session
from .ticket_office import TicketOffice
from .tickets import Ticket

__all__ = ["Resuming"]

log = get_logger("sluicegate.frontend")


@attrs.frozen(eq=False, repr=False)
class Resuming:
    """Takes in whoever shows a ticket, by the rules for those who open a session."""

    endpoint: Endpoint
    table: SessionTable
    office: TicketOffice | None
    """None where ids are no tickets: then nothing goes on."""

    async def begin(self) -> None:
        """Be able to give tickets to sessions that are opened from here on."""
        if self.office is not None:
            await self.office.open()

    async def end(self, session: Session, *, told: bool = True) -> None:
        """End a session; its id, if its client was told, is never valid again: from now on here, and once this returns where others look."""
        self.table.end(session)
        if self.office is not None and told:
            await self.office.end(session.id)

    async def end_named(self, id: str, principal: Principal) -> str | NoPlace | None:
        """End the session with that id, and open none for that; the revision that it spoke, or None if there is no such session."""
        ticket = None if self.table.find(id, principal) else await self._judged(id, principal)
        session = self.table.find(id, principal)  # it may have come into being meanwhile
        if session is not None:
            await self.end(session)
            return session.version
        if not isinstance(ticket, Ticket):
            return ticket
        await self._office.end(id)
        return ticket.opening.version

    async def take_in(self, id: str, principal: Principal, network: str) -> Session | NoPlace | None:
        """The session with that id, which is not in the table; None if it must not go on."""
        ticket = await self._judged(id, principal)
        if not isinstance(ticket, Ticket):
            return ticket
        found = self.table.find(id, principal)  # another request may have been quicker
        return found or self._open(self._office, ticket, id, principal, network)

    @property
    def _office(self) -> TicketOffice:
        """The one that has judged a ticket."""
        assert self.office is not None
        return self.office

    async def _judged(self, id: str, principal: Principal) -> Ticket | NoPlace | None:
        """The ticket that an id is; None if its session must not go on."""
        if self.office is None:
            return None
        await self.office.open()
        try:
            return await self.office.look_at(id, principal)
        except OSError as error:
            log.warning("it cannot be told whether a session has ended", error=str(error))
            return NoPlace(503, "it cannot be told whether this session has ended")

    def _open(self, office: TicketOffice, ticket: Ticket, id: str, principal: Principal, network: str) -> Session | NoPlace:
        session = self.table.open(ticket.opening, principal, network, id)
        if isinstance(session, NoPlace):
            return session
        office.resumed += 1
        self.endpoint.opened(ticket.opening)
        above = max(int((office.sources.wall() - ticket.born) * 1000), 0)  # nobody has had a stream or an event a millisecond
        session.go_on(above=above, settled=self.endpoint.settled)
        catalogue = self.endpoint.directory.read_by(session.caller)  # its client has read lists, of which nobody knows how old they are
        session.tell(frozenset(kind.changed for kind in KINDS if catalogue.declares(kind.capability)))
        return session
