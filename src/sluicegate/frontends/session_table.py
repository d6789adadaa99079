"""All client sessions of an HTTP frontend: whose each is, and when it ends."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Iterable

import attrs
import trio

from ..protocol.calls import Caller
from ..sources import Sources
from .chores import Chores
from .endpoint import Limits, Opening
from .exchange import Exchange
from .sessions import Session
from .stream import EventLog

__all__ = ["SessionTable"]

MOST_KEPT_BYTES = 64 * 1024 * 1024
"""Finished answers of all sessions together that wait for clients to come back for them."""
SWEEP_BATCH = 256
SHORTEST_PERIOD = 0.1
"""Seconds between two sweeps at least, whatever is configured: there may be nothing to wait for at all."""


@attrs.define(eq=False)
class SessionTable:
    """All sessions of one HTTP frontend."""

    limits: Limits
    sources: Sources
    orphans: set[Exchange] = attrs.field(factory=set, init=False)
    """Calls whose connection is gone."""
    _sessions: OrderedDict[str, Session] = attrs.field(factory=OrderedDict, init=False)
    """Longest unused first."""
    _kept: OrderedDict[EventLog, tuple[float, Session]] = attrs.field(factory=OrderedDict, init=False)
    """Finished answers: since when, and whose; oldest first."""
    _kept_bytes: int = attrs.field(default=0, init=False)
    _chores: Chores = attrs.field(factory=Chores, init=False)
    _on_use: Callable[[Session], None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._on_use = self._move_up  # one object for all sessions

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def streams(self) -> int:
        """How many streams clients keep open with GET."""
        return sum(len(session.streams) for session in self._sessions.values())

    def open(self, opening: Opening, principal: str) -> Session | None:
        """A new session, or None if there are too many that are not idle (P-61)."""
        if len(self._sessions) >= self.limits.max_sessions:
            self._end_idle(SWEEP_BATCH)
        if len(self._sessions) >= self.limits.max_sessions:
            return None
        session_id = base64.urlsafe_b64encode(self.sources.secret(24)).decode()
        session = Session(Caller(opening.version, opening.capabilities, principal, session_id), self.limits, self.orphans, self._on_use)
        self._sessions[session_id] = session
        return session

    def find(self, session_id: str, principal: str) -> Session | None:
        """The live session with that id, if it is that principal's; whose it is else is not told (P-61)."""
        session = self._sessions.get(session_id)
        if session is None or session.caller.principal != principal:
            return None
        now = trio.current_time()
        if self._is_idle(session, now):
            self.end(session)
            return None
        session.touch(now)
        return session

    def _move_up(self, session: Session) -> None:
        if session.id in self._sessions:
            self._sessions.move_to_end(session.id)

    def end(self, session: Session) -> None:
        """End a session; its id is never valid again."""
        self._chores.do(self._take_out(session))

    def end_all(self) -> None:
        """End every session."""
        self._chores.do([ending for session in list(self._sessions.values()) for ending in self._take_out(session)])

    def _take_out(self, session: Session) -> list[Callable[[], None]]:
        """Forget a session; what is to be ended of it."""
        if self._sessions.pop(session.id, None) is None:
            return []
        for log in list(session.kept):
            self.drop(session, log)
        return session.endings()

    def announce(self, methods: Iterable[str]) -> None:
        """Lists changed: tell every session."""
        for session in self._sessions.values():
            session.changed.update(methods)
        self._chores.do([line.ring for session in self._sessions.values() for line in session.listeners[-1:]])

    def hang_up(self) -> None:
        """End all GET streams, as a drain begins; answers to POSTs go on."""
        self._chores.do([line.hang_up for session in self._sessions.values() for line in session.listeners])

    def keep(self, session: Session, log: EventLog) -> None:
        """A finished answer that may not have arrived: keep it for a while, under a bound over all sessions."""
        if log not in self._kept:
            self._kept_bytes += log.size
        self._kept[log] = (trio.current_time(), session)
        self._kept.move_to_end(log)
        session.kept[log] = None
        if len(session.kept) > self.limits.max_streams_per_session:  # nobody crowds out the others
            self.drop(session, next(iter(session.kept)))
        while self._kept_bytes > MOST_KEPT_BYTES:
            self._drop_oldest()

    def drop(self, session: Session, log: EventLog) -> None:
        """A finished answer that nobody needs any more."""
        session.answers.pop(log.stream, None)
        session.kept.pop(log, None)
        if self._kept.pop(log, None) is not None:
            self._kept_bytes -= log.size

    def _drop_oldest(self) -> None:
        log, (_, session) = next(iter(self._kept.items()))
        self.drop(session, log)

    async def sweep(self) -> None:
        """End idle sessions in batches, and what is left of others that have ended, until cancelled."""
        period = max(min(self.limits.session_idle_seconds / 4, self.limits.orphan_seconds, 60.0), SHORTEST_PERIOD)
        while True:
            with trio.move_on_after(period):
                await self._chores.run()
            while self._end_idle(SWEEP_BATCH) == SWEEP_BATCH:
                await trio.lowlevel.checkpoint()
            oldest = trio.current_time() - self.limits.orphan_seconds
            while self._kept and next(iter(self._kept.values()))[0] <= oldest:
                self._drop_oldest()

    def _end_idle(self, most: int) -> int:
        """Look at that many of the longest unused sessions, and return how many were looked at before one was found in use."""
        for looked in range(most):
            session = next(iter(self._sessions.values()), None)
            if session is None:
                return looked
            if self._is_idle(session, trio.current_time()):
                self.end(session)
            elif session.is_busy and session.used_at + self.limits.session_idle_seconds <= trio.current_time():
                session.touch()  # an open stream is use
            else:
                return looked
        return most

    def _is_idle(self, session: Session, now: float) -> bool:
        return session.used_at + self.limits.session_idle_seconds <= now and not session.is_busy
