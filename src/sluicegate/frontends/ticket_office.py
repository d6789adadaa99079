"""Who writes tickets and judges them: the keys of the moment, and what has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import attrs
import trio

from ..protocol.principal import Principal
from ..protocol.sealing_key import SealingKey
from ..sources import Sources
from ..telling.loggers import Seldom, get_logger
from ..telling.statistics import counter, gauge, snapshot
from .ended_tickets import EndedTickets, KeyStore
from .endpoint import Opening
from .ticket_keys import TicketKeys
from .tickets import Ticket, ticket_content, ticket_of

__all__ = ["TicketOffice", "TicketStatistics"]

log = get_logger("sluicegate.frontend")

KEYS_PER_LIFETIME = 4
"""So often there is another key in the time for which a ticket holds."""
MOST_KEYS = 32
ALWAYS_KEPT = 2
"""However old they seem to be: a clock that is wrong for a moment, as at a start, must not cost all sessions."""
MANY_ENDED = 4096
"""Where so many tickets of a key have ended there is another one, long before no more can be remembered."""
CHECK_SECONDS = 60.0
SHORTEST_SECONDS = 1.0
REFRESH_SECONDS = 1.0
"""Between two looks for keys of other processes, at least: anybody can name one that there is not."""


@attrs.frozen(repr=False)
class TicketStatistics:
    """What became of session tickets."""

    issued: int = attrs.field(metadata=counter("session_tickets_issued", "Tickets that were given to new sessions."))
    resumed: int = attrs.field(metadata=counter("sessions_resumed", "Sessions that went on by their ticket."))
    refused: Mapping[str, int] = attrs.field(
        metadata=counter("session_tickets_refused", "Unknown session ids that were no ticket to go on with.", "reason")
    )
    ended: int = attrs.field(metadata=counter("session_tickets_ended", "Tickets that were ended by their client."))
    keys: int = attrs.field(metadata=gauge("session_ticket_keys", "Keys with which tickets can be opened."))


@attrs.define(eq=False, repr=False)
class TicketOffice:
    """That of one frontend (implements `KeyRing`). Without a store its tickets hold as long as the process does."""

    sources: Sources
    lifetime: float
    """Seconds for which a ticket holds."""
    store: KeyStore | None = None
    issued: int = attrs.field(default=0, init=False)
    resumed: int = attrs.field(default=0, init=False)
    refused: Counter[str] = attrs.field(factory=Counter, init=False)
    ended: int = attrs.field(default=0, init=False)
    is_open: bool = attrs.field(default=False, init=False)
    """Whether there is a key."""
    _ends: EndedTickets = attrs.field(default=attrs.Factory(lambda self: EndedTickets(self.store), takes_self=True), init=False)
    _keys: TicketKeys = attrs.field(default=attrs.Factory(lambda self: TicketKeys(self.sources.secret), takes_self=True), init=False)
    _newest: SealingKey | None = attrs.field(default=None, init=False)
    _own: list[SealingKey] = attrs.field(factory=list, init=False)
    """Those that could be kept nowhere, or were needed before there was time to keep them."""
    _stored: list[SealingKey] = attrs.field(factory=list, init=False)
    """Those of the store."""
    _turning: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _looked_at: float = attrs.field(default=float("-inf"), init=False)
    _seldom: Seldom = attrs.field(factory=lambda: Seldom(3600.0), init=False)

    @property
    def keys(self) -> int:
        """How many there are."""
        return len(self._keys)

    def statistics(self) -> TicketStatistics:
        """What became of tickets."""
        return snapshot(TicketStatistics, self)

    async def open(self) -> None:
        """Have a key; from the store, if there is one."""
        if not self.is_open:
            async with self._turning:
                if not self.is_open:
                    await self._renew()

    async def keep_open(self) -> None:
        """Have another key in time, until cancelled."""
        while True:
            await trio.sleep(max(min(CHECK_SECONDS, self.lifetime / KEYS_PER_LIFETIME), SHORTEST_SECONDS))
            if self.is_open and self._is_due(self._newest):
                await self._renew_once()

    def issue(self, opening: Opening, principal: Principal) -> str:
        """The id of a session that begins."""
        self.issued += 1
        return self._keys.seal(self.newest(), ticket_content(opening, principal, self.sources.wall(), self.lifetime))

    def newest(self) -> SealingKey:
        """The key that seals now. Where nobody has opened the office before, it is kept once somebody does."""
        if self._newest is None:
            self._newest = SealingKey.new(self.sources.wall(), self.sources.secret)
            self._own.append(self._newest)
            self._hold(self._stored)
        return self._newest

    def find(self, id: str) -> SealingKey | None:
        """The key of that name, as far as it is known."""
        return self._keys.find(id)

    async def look_for(self, id: str) -> None:
        """Have the key of that name, if there is one."""
        if self.find(id) is None:
            await self.open()
        if self.find(id) is None:
            await self._look_for_keys()

    async def look_at(self, text: str, principal: Principal) -> Ticket | None:
        """The ticket that a text is, if its session may go on; raises `OSError` where it cannot be told what has ended."""
        found = self._keys.open(text)
        if found == "unknown_key" and await self._look_for_keys():
            found = self._keys.open(text)
        ticket = found if isinstance(found, str) else ticket_of(found, principal, self.sources.wall(), self.lifetime)
        if isinstance(ticket, Ticket):
            await self._ends.look()
            if self.has_ended(ticket):
                ticket = "ended"
        if isinstance(ticket, str):
            self.refused[ticket] += 1
            return None
        return ticket

    def has_ended(self, ticket: Ticket) -> bool:
        """Whether that is known by now."""
        return self._ends.has(ticket.sealed)

    async def end(self, text: str) -> None:
        """The session with that id is over for good; from now on here, and in all processes once this returns."""
        found = self._keys.open(text)
        if not isinstance(found, str):
            self.ended += 1
            await self._ends.add(found)
            if self.is_open and self._is_due(self._newest):
                await self._renew_once()

    def _is_due(self, key: SealingKey | None) -> bool:
        """Whether another key is to take its place; also where its time lies far ahead."""
        return key is None or abs(self.sources.wall() - key.made) > self.lifetime / KEYS_PER_LIFETIME or self._ends.count(key) >= MANY_ENDED

    async def _look_for_keys(self) -> bool:
        """Whether there was a look for keys that others have made; there is one now and then, since anybody can name a key that there is not."""
        if self.store is None:
            return False
        async with self._turning:
            if trio.current_time() - self._looked_at < REFRESH_SECONDS:
                return False
            await self._renew()
        return True

    async def _renew_once(self) -> None:
        async with self._turning:
            if self._is_due(self._newest) and trio.current_time() - self._looked_at >= REFRESH_SECONDS:  # also where none can be made
                await self._renew()

    async def _renew(self) -> None:
        """Have the keys of the store, and another one if it is time for that; at any await all is as it was, or as it will be."""
        kept = await self._kept()
        self._looked_at = trio.current_time()
        self._hold(kept)
        newest = next((key for key in sorted([*self._own, *kept], reverse=True) if not self._is_due(key)), None)
        if newest is None:
            newest = SealingKey.new(self.sources.wall(), self.sources.secret)
        if newest not in kept:  # or it could not be kept before, or nobody has tried
            if await self._is_kept(newest):
                kept = [*kept, newest]
            elif kept:  # they were put there by somebody who takes care of them himself
                newest = max(kept)
            elif newest not in self._own:
                self._own.append(newest)
        self._own = [key for key in self._own if key not in kept]
        self._newest, self.is_open = newest, True
        self._hold(kept)
        await self._drop_old()
        self._looked_at = trio.current_time()  # it may have taken long, and those who wait need not do it again

    def _hold(self, kept: list[SealingKey]) -> None:
        """Have these keys; and the one that seals now also where somebody has taken it out of the store, until another has its place."""
        self._stored = kept
        own = list(self._own)
        if self._newest is not None and self._newest not in (*own, *kept):
            own.append(self._newest)
        self._keys.hold([*own, *kept])
        self._ends.hold(own, kept)

    async def _kept(self) -> list[SealingKey]:
        if self.store is None:
            return []
        try:
            return await self.store.load()
        except OSError as error:
            self._complain("the keys of session tickets cannot be read", error)
            return self._stored

    async def _is_kept(self, key: SealingKey) -> bool:
        if self.store is None:
            return False
        try:
            await self.store.add(key)
        except OSError as error:
            self._complain("keys of session tickets cannot be kept", error)
            return False
        return True

    def _complain(self, what: str, error: OSError) -> None:
        if self._seldom.turn(what, trio.current_time()) is not None:
            log.warning(
                "sessions of clients may not outlive this process",
                why=what,
                folder=getattr(self.store, "place", ""),
                error=str(error),
                advice="name a folder that can be written in proxy.listen.session_keys, or set session_tickets = false",
            )

    async def _drop_old(self) -> None:
        """Forget keys of which every ticket has expired, and those beyond what is to be remembered."""
        now = self.sources.wall()
        keys = self._keys.newest_first
        old = [
            key
            for place, key in enumerate(keys)
            if key is not self._newest and (place >= MOST_KEYS or (place >= ALWAYS_KEPT and abs(now - key.made) > 2 * self.lifetime))
        ]
        if not old:
            return
        self._own = [key for key in self._own if key not in old]
        self._hold([key for key in keys if key not in old and key not in self._own])
        if self.store is not None:
            with suppress(OSError):  # then the next time
                for key in old:
                    await self.store.drop(key)
