"""Client sessions: what each has going on, whose it is, and when it ends."""

from __future__ import annotations

import base64
from collections import OrderedDict, deque
from collections.abc import Iterable
from functools import partial
from typing import Protocol

import attrs
import msgspec
import trio

from ..protocol import faults
from ..protocol.calls import NAMED_BY, Call, Caller
from ..protocol.errors import INVALID_REQUEST
from ..protocol.messages import Notification, Request, encode_error, encode_notification, read_text
from ..sources import Sources
from .endpoint import Endpoint, Limits, Opening
from .exchange import Exchange, Outlet
from .request import HttpRequest
from .stream import EventLog, Line

__all__ = ["Answer", "Session", "SessionTable"]

MOST_KEPT_BYTES = 64 * 1024 * 1024
"""Finished answers of all sessions together that wait for clients to come back for them."""
SWEEP_BATCH = 256
_BEFORE_READY = frozenset({"initialize", "ping"})


class Answer(Protocol):
    """The answer to one POST that became a stream."""

    async def resume(self, http: HttpRequest, after: int) -> None:
        """Send the rest on another connection of the same client."""
        ...


@attrs.define(eq=False)
class Session:
    """One client's conversation. Stdio has exactly one; over HTTP a `SessionTable` holds them."""

    caller: Caller
    limits: Limits
    orphans: set[Exchange] = attrs.field(factory=set)
    """Calls whose connection is gone, of all sessions of the table."""
    ready: bool = attrs.field(default=False, init=False)
    """The client has sent ``notifications/initialized`` (HTTP-10)."""
    ended: bool = attrs.field(default=False, init=False)
    used_at: float = attrs.field(factory=trio.current_time, init=False)
    calls: dict[int | str, Exchange] = attrs.field(factory=dict, init=False)
    answers: dict[int, Answer] = attrs.field(factory=dict, init=False)
    """Streams of POSTs, running or waiting for the client to come back."""
    lines: set[Line] = attrs.field(factory=set, init=False)
    """Connections that carry an answer now."""
    news: EventLog = attrs.field(factory=lambda: EventLog(0), init=False)
    """What belongs to no request; the GET stream reads it."""
    listeners: list[Line] = attrs.field(factory=list, init=False)
    """Open GET streams; the newest one gets the news, because each message goes on exactly one stream (P-62)."""
    told: int = attrs.field(default=0, init=False)
    """The number of the last of the news that was sent."""
    changed: set[str] = attrs.field(factory=set, init=False)
    """``list_changed`` notifications that wait to be told."""
    _streams: int = attrs.field(default=0, init=False)

    @property
    def id(self) -> str:
        """The session id; empty on stdio."""
        return self.caller.session

    @property
    def version(self) -> str:
        """The negotiated revision."""
        return self.caller.era

    @property
    def is_busy(self) -> bool:
        """Whether something is open, which keeps it from being idle."""
        return bool(self.calls or self.lines)

    def start(self, request: Request, outlet: Outlet, endpoint: Endpoint, *, answers_cancelled: bool = True) -> Exchange | None:
        """Start a request as a task in ``endpoint.calls``; None if it was refused, and the refusal given to the outlet."""
        fault = self._refusal(request)
        if fault is not None:
            outlet.reply(encode_error(request.id, fault.encode()))
            return None
        key = request.key
        target = read_text(request.params, NAMED_BY.get(request.method, "")) or request.method
        call = Call(request.method, target, request.params, self.caller, extras=request.extras)
        exchange = Exchange(request.id, call, outlet, partial(self._forget, key), answers_cancelled)
        call.back = exchange
        self.calls[key] = exchange
        endpoint.calls.start_soon(exchange.run, endpoint.handle)
        return exchange

    def _refusal(self, request: Request) -> faults.Fault | None:
        if not self.ready and request.method not in _BEFORE_READY:
            message = "Client must send notifications/initialized before making requests"
            return faults.client_mistake(message, code=INVALID_REQUEST, reason="not_initialized")
        if request.key in self.calls:
            message = "a request with this id is still open in this session"
            return faults.client_mistake(message, code=INVALID_REQUEST, reason="duplicate_id")
        if len(self.calls) >= self.limits.max_calls_per_session:
            return faults.overloaded(request.method, f"this session has {len(self.calls)} open calls")
        return None

    def _forget(self, key: int | str) -> None:
        self.orphans.discard(self.calls.pop(key))
        self.used_at = trio.current_time()

    def tell(self, note: Notification) -> None:
        """Take a notification from the client; sync. What nobody needs is dropped."""
        if note.method == "notifications/initialized":
            self.ready = True
        elif note.method == "notifications/cancelled":
            exchange = self.calls.get(_read_key(note.params.get("requestId", b"null")))
            if exchange is not None:
                exchange.cancel()

    def open_stream(self, answer: Answer) -> EventLog:
        """A new stream for the answer to a POST."""
        self._streams += 1
        self.answers[self._streams] = answer
        return EventLog(self._streams)

    def announce(self, methods: Iterable[str]) -> None:
        """Lists changed: kept until a stream is there to tell it on."""
        self.changed.update(methods)
        if self.listeners:
            self.listeners[-1].ring()

    def take_changes(self) -> list[bytes]:
        """What changed since it was last told, one notification for each kind of list."""
        changed, self.changed = sorted(self.changed), set()
        return [encode_notification(method, {}) for method in changed]

    def end(self) -> None:
        """End everything that is open."""
        self.ended = True
        for exchange in list(self.calls.values()):
            exchange.abort("its session has ended")
        for line in self.listeners:
            line.hang_up()


def _read_key(raw: bytes | msgspec.Raw) -> int | str:
    value = msgspec.json.decode(raw)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else ""


@attrs.define(eq=False)
class SessionTable:
    """All sessions of one HTTP frontend."""

    limits: Limits
    sources: Sources
    orphans: set[Exchange] = attrs.field(factory=set, init=False)
    """Calls whose connection is gone."""
    _sessions: OrderedDict[str, Session] = attrs.field(factory=OrderedDict, init=False)
    """Longest unused first."""
    _kept: deque[tuple[float, Session, int, int]] = attrs.field(factory=deque, init=False)
    """Finished answers: since when, whose, which stream, how many bytes."""
    _kept_bytes: int = attrs.field(default=0, init=False)

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, opening: Opening, principal: str) -> Session | None:
        """A new session, or None if there are too many that are not idle (P-61)."""
        if len(self._sessions) >= self.limits.max_sessions:
            self._end_idle(SWEEP_BATCH)
        if len(self._sessions) >= self.limits.max_sessions:
            return None
        session_id = base64.urlsafe_b64encode(self.sources.secret(24)).decode()
        session = Session(Caller(opening.version, opening.capabilities, principal, session_id), self.limits, self.orphans)
        self._sessions[session_id] = session
        return session

    def find(self, session_id: str, principal: str) -> Session | None:
        """The live session with that id, if it is that principal's; whose it is else is not told (P-61)."""
        session = self._sessions.get(session_id)
        if session is None or session.caller.principal != principal:
            return None
        if self._is_idle(session):
            self.end(session)
            return None
        session.used_at = trio.current_time()
        self._sessions.move_to_end(session_id)
        return session

    def end(self, session: Session) -> None:
        """End a session; its id is never valid again."""
        if self._sessions.pop(session.id, None) is not None:
            session.end()

    def end_all(self) -> None:
        """End every session."""
        for session in list(self._sessions.values()):
            self.end(session)

    def announce(self, methods: Iterable[str]) -> None:
        """Lists changed: tell every session."""
        for session in self._sessions.values():
            session.announce(methods)

    def hang_up(self) -> None:
        """End all GET streams, as a drain begins; answers to POSTs go on."""
        for session in self._sessions.values():
            for line in session.listeners:
                line.hang_up()

    def keep(self, session: Session, log: EventLog) -> None:
        """A finished answer that may not have arrived: keep it for a while, under a bound over all sessions."""
        self._kept.append((trio.current_time(), session, log.stream, log.size))
        self._kept_bytes += log.size
        while self._kept_bytes > MOST_KEPT_BYTES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, session, stream, size = self._kept.popleft()
        self._kept_bytes -= size
        session.answers.pop(stream, None)

    async def sweep(self) -> None:
        """End idle sessions in batches, until cancelled."""
        period = min(self.limits.session_idle_seconds / 4, self.limits.orphan_seconds, 60.0)
        while True:
            await trio.sleep(period)
            while self._end_idle(SWEEP_BATCH) == SWEEP_BATCH:
                await trio.lowlevel.checkpoint()
            oldest = trio.current_time() - self.limits.orphan_seconds
            while self._kept and self._kept[0][0] <= oldest:
                self._drop_oldest()

    def _end_idle(self, most: int) -> int:
        """Look at that many of the longest unused sessions, and return how many were looked at before one was found in use."""
        for looked in range(most):
            session = next(iter(self._sessions.values()), None)
            if session is None:
                return looked
            if self._is_idle(session):
                self.end(session)
            elif session.is_busy and session.used_at + self.limits.session_idle_seconds <= trio.current_time():
                session.used_at = trio.current_time()  # an open stream is use
                self._sessions.move_to_end(session.id)
            else:
                return looked
        return most

    def _is_idle(self, session: Session) -> bool:
        return not session.is_busy and session.used_at + self.limits.session_idle_seconds <= trio.current_time()
