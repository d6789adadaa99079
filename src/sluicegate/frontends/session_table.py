"""All client sessions of an HTTP frontend: whose each is, and when it ends."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import cast

import attrs
import trio

from ..protocol.calls import Caller
from ..protocol.principal import Principal
from ..routing.directory import ListChange
from ..sources import Sources
from ..telling.loggers import get_logger
from .chores import Chores
from .client_home import ClientHome
from .endpoint import Limits, Opening
from .exchange import Exchange
from .large_events import LargeEvents
from .listeners import Listeners
from .news import News
from .owners import NoPlace, Owner, Owners
from .session_statistics import SessionStatistics
from .sessions import Session
from .stream import Downlink, EventLog

__all__ = ["LARGE", "SessionTable"]

log = get_logger("sluicegate.frontend")

MOST_KEPT_BYTES = 64 * 1024 * 1024
"""Finished answers of all sessions together that wait for clients to come back for them."""
LARGE = 65_536
"""Bytes of a request that counts until it has its answer. Smaller ones are bounded by their number."""
MOST_OPEN_BYTES = 256 * 1024 * 1024
"""Large requests of all sessions together that have no answer yet. Of these one owner may have as much as is left for all: alone half of it."""
PART = 4
"""Of what is kept, and of the orphans, one owner has at most one part in so many."""
WEIGHT = 2048
"""About how many bytes of memory an answer takes that is kept, beside what it says."""
SWEEP_BATCH = 256
SHORTEST_PERIOD = 0.1
"""Seconds between two sweeps at least, whatever is configured: there may be nothing to wait for at all."""


@attrs.define(eq=False, repr=False)
class SessionTable:
    """All sessions of one HTTP frontend."""

    limits: Limits
    sources: Sources
    declares: Callable[[Caller, str], bool] = attrs.field(default=lambda _caller, _capability: True, repr=False)
    """Whether clients are told of a capability."""
    differs_between: Callable[[Caller, Caller], frozenset[str]] = attrs.field(
        default=lambda _one, _other: frozenset(), repr=False, kw_only=True
    )
    """Which lists are other ones for the one caller than for the other."""
    home: Callable[[tuple[str, str]], ClientHome] | None = attrs.field(default=None, repr=False)
    """Where what is kept for one client alone lives, by whose session it is; None where nothing can be."""
    issue: Callable[[Opening, Principal], str] | None = attrs.field(default=None, repr=False)
    """Gives a new session its id; None is any that nobody can guess."""
    orphans: dict[Exchange, Owner] = attrs.field(factory=dict, init=False)
    """Calls whose connection is gone, and whose they are."""
    owners: Owners = attrs.field(factory=Owners, init=False)
    large_events: LargeEvents = attrs.field(factory=LargeEvents, init=False)
    _sessions: dict[str, Session] = attrs.field(factory=dict, init=False, repr=False)
    _kept: OrderedDict[EventLog, tuple[float, Session]] = attrs.field(factory=OrderedDict, init=False)
    """Finished answers: since when, and whose; oldest first."""
    _kept_bytes: int = attrs.field(default=0, init=False)
    _open_bytes: int = attrs.field(default=0, init=False)
    _chores: Chores = attrs.field(factory=Chores, init=False)
    listeners: Listeners = attrs.field(default=attrs.Factory(lambda self: Listeners(self._chores), takes_self=True), init=False)

    def __len__(self) -> int:
        return len(self._sessions)

    def statistics(self) -> SessionStatistics:
        """How many there are now."""
        return SessionStatistics(len(self._sessions), self.owners.streams, len(self.orphans))

    def may_stream(self, owner: Owner) -> bool:
        """Whether he may have one more stream: each keeps a connection, and he may have as many as are left for all others."""
        return not any(owner.key) or owner.streams < self.limits.max_streams - self.owners.streams

    def begin_stream(self, session: Session, downlink: Downlink) -> None:
        """A connection that was opened with GET carries news, or an answer."""
        session.downlinks.add(downlink)
        session.streams.add(downlink)
        self.owners.begin_stream(session.owner)

    def end_stream(self, session: Session, downlink: Downlink) -> None:
        """It does no more."""
        session.downlinks.discard(downlink)
        session.streams.remove(downlink)
        self.owners.end_stream(session.owner)

    def open(self, opening: Opening, principal: Principal, network: str = "", id: str = "") -> Session | NoPlace:
        """A new session of that principal, or of that network where there are no principals (P-61). For want of room another one may end.

        One that goes on has its ``id`` already.
        """
        owner, now = self.owners.of(principal.key, network), trio.current_time()
        is_at_share = any(owner.key) and len(owner) >= self.limits.share_of_sessions
        if not is_at_share and len(self._sessions) < self.limits.max_sessions:
            return self._begin(opening, principal, owner, id)
        gives_way = owner.first_to_go(now) if is_at_share else self.owners.who_gives_way(owner, self.limits.max_sessions, now)
        if gives_way is None and is_at_share:
            return NoPlace(429, f"you have {len(owner)} sessions, and all of them are in use; end some with DELETE")
        if gives_way is None:
            return NoPlace(503, "there are too many sessions, and all of them are in use")
        ended = cast("Session", gives_way)
        log.warning("a session has made room for another", session=ended.id[:8], owner=ended.owner.name, sessions=len(ended.owner))
        self.end(ended)
        return self._begin(opening, principal, self.owners.of(principal.key, network), id)

    def _begin(self, opening: Opening, principal: Principal, owner: Owner, id: str) -> Session:
        session_id = id or (self.random_id() if self.issue is None else self.issue(opening, principal))
        home = None if self.home is None else self.home(owner.key)
        caller = Caller(opening.version, opening.capabilities, principal, session_id, home)
        session = Session(caller, self.limits, self.orphans, owner, declares=self.declares, differs_between=self.differs_between, home=home)
        if home is not None:
            home.lead(session, news := News(session, self._chores), news.wake)
        self._sessions[session_id] = session
        self.owners.add(owner, session)
        return session

    def random_id(self) -> str:
        """One that nobody can guess, and nothing but an id."""
        return base64.urlsafe_b64encode(self.sources.secret(24)).decode()

    def find(self, session_id: str, principal: Principal) -> Session | None:
        """The live session with that id, if it is that principal's; whose it is else is not told (P-61). Who uses it touches it."""
        session = self._sessions.get(session_id)
        if session is None or session.caller.principal.key != principal.key:
            return None
        if session.used_at + self.limits.session_idle_seconds <= trio.current_time() and not session.is_busy:
            self.end(session)
            return None
        if principal is not session.caller.principal:
            session.meet(principal)
        return session

    def end(self, session: Session) -> None:
        """End a session."""
        self._chores.do(self._take_out(session))

    def end_all(self) -> None:
        """End every session."""
        self._chores.do([ending for session in list(self._sessions.values()) for ending in self._take_out(session)])

    def _take_out(self, session: Session) -> list[Callable[[], None]]:
        """Forget a session; what is to be ended of it."""
        if self._sessions.get(session.id) is not session:  # it has ended; one that goes on under its id has not
            return []
        del self._sessions[session.id]
        self.owners.remove(session.owner, session)
        for log in list(session.kept):
            self.drop(session, log)
        return session.endings()

    def announce(self, change: ListChange) -> None:
        """Lists changed: tell every session that sees them."""
        told = [session for session in self._sessions.values() if session.tell(change.told_to(session.caller))]
        self._chores.do([downlink.ring for session in told for downlink in session.listeners[-1:]])
        self.listeners.announce(change)

    def hang_up(self) -> None:
        """End all GET streams, as a drain begins; answers to POSTs go on."""
        self._chores.do([downlink.hang_up for session in self._sessions.values() for downlink in session.listeners])
        self.listeners.hang_up()

    def may_hold(self, owner: Owner, size: int) -> bool:
        """Whether there is room for a large request of so many bytes; then it counts until `let_go`."""
        if owner.open_bytes + size > MOST_OPEN_BYTES - self._open_bytes:
            return False
        owner.open_bytes += size
        self._open_bytes += size
        return True

    def let_go(self, owner: Owner, size: int) -> None:
        """A large request has its answer."""
        owner.open_bytes -= size
        self._open_bytes -= size

    def has_room_for_orphan(self, session: Session) -> bool:
        """Whether one more call of its owner may go on without a connection."""
        limits, orphans, owner = self.limits, self.orphans, session.owner
        if (
            len(orphans) >= limits.max_orphans
            or sum(exchange in orphans for exchange in session.calls.values()) >= limits.max_streams_per_session
        ):
            return False
        return not any(owner.key) or sum(other is owner for other in orphans.values()) < max(1, limits.max_orphans // PART)

    def keep(self, session: Session, log: EventLog) -> None:
        """A finished answer that may not have arrived: keep it for a while, under bounds per session, per owner and over all."""
        owner = session.owner
        if log not in self._kept:
            self._kept_bytes += log.size + WEIGHT
            owner.kept_bytes += log.size + WEIGHT
        self._kept[log] = (trio.current_time(), session)
        self._kept.move_to_end(log)
        owner.kept[log] = session.kept[log] = None
        owner.kept.move_to_end(log)
        if len(session.kept) > self.limits.max_streams_per_session:  # nobody crowds out the others
            self.drop(session, next(iter(session.kept)))
        while owner.kept_bytes > MOST_KEPT_BYTES // PART:
            self._drop_oldest(owner.kept)
        while self._kept_bytes > MOST_KEPT_BYTES:
            self._drop_oldest(self._kept)

    def drop(self, session: Session, log: EventLog) -> None:
        """A finished answer that nobody needs any more."""
        session.answers.pop(log.stream, None)
        session.kept.pop(log, None)
        if self._kept.pop(log, None) is not None:
            del session.owner.kept[log]
            self._kept_bytes -= log.size + WEIGHT
            session.owner.kept_bytes -= log.size + WEIGHT

    def _drop_oldest(self, kept: Iterable[EventLog]) -> None:
        self.drop(self._kept[log := next(iter(kept))][1], log)

    async def sweep(self) -> None:
        """End idle sessions in batches, and what is left of others that have ended, until cancelled."""
        period = max(min(self.limits.session_idle_seconds / 4, self.limits.orphan_seconds, 60.0), SHORTEST_PERIOD)
        while True:
            with trio.move_on_after(period):
                await self._chores.run()
            await self._end_idle()
            oldest = trio.current_time() - self.limits.orphan_seconds
            while self._kept and next(iter(self._kept.values()))[0] <= oldest:
                self._drop_oldest(self._kept)

    async def _end_idle(self) -> None:
        looked = 0
        for owner in self.owners:
            more = True
            while more:
                idle, more = owner.idle_since(trio.current_time() - self.limits.session_idle_seconds, SWEEP_BATCH)
                for session in idle:
                    self.end(cast("Session", session))
                looked += 1 + len(idle)
                if more or looked >= SWEEP_BATCH:
                    looked = 0
                    await trio.lowlevel.checkpoint()
