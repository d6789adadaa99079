"""A client's session: what it has going on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import NAMED_BY, Call, Caller
from ..protocol.errors import INVALID_REQUEST
from ..protocol.messages import Notification, Request, encode_error, encode_notification, read_id, read_text
from .endpoint import Endpoint, Limits
from .exchange import Exchange, Outlet
from .request import HttpRequest
from .stream import EventLog, Line

__all__ = ["Answer", "Session"]

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
    on_use: Callable[[Session], None] = lambda _session: None
    """Told whenever it was in use."""
    ready: bool = attrs.field(default=False, init=False)
    """The client has sent ``notifications/initialized`` (HTTP-10)."""
    refused: bool = attrs.field(default=False, init=False)
    """Its ``initialize`` was answered with a fault, so that there is no session for its client."""
    ended: bool = attrs.field(default=False, init=False)
    used_at: float = attrs.field(factory=trio.current_time, init=False)
    calls: dict[int | str, Exchange] = attrs.field(factory=dict, init=False)
    answers: dict[int, Answer] = attrs.field(factory=dict, init=False)
    """Streams of POSTs, running or waiting for the client to come back."""
    kept: dict[EventLog, None] = attrs.field(factory=dict, init=False)
    """The finished ones among them, oldest first; the table's bookkeeping."""
    lines: set[Line] = attrs.field(factory=set, init=False)
    """Connections that carry an answer now."""
    streams: set[Line] = attrs.field(factory=set, init=False)
    """Those of them that were opened with GET."""
    listeners: list[Line] = attrs.field(factory=list, init=False)
    """Open GET streams; the newest one gets the news, because each message goes on exactly one stream (P-62)."""
    told: int = attrs.field(default=0, init=False)
    """The number of the last of the news that was sent."""
    changed: set[str] = attrs.field(factory=set, init=False)
    """``list_changed`` notifications that wait for a stream to be told on."""
    _news: EventLog | None = attrs.field(default=None, init=False)
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
    def news(self) -> EventLog:
        """What belongs to no request; the GET stream reads it. Made for those who have one."""
        if self._news is None:
            self._news = EventLog(0)
        return self._news

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
        exchange = self.calls.pop(key)
        self.orphans.discard(exchange)
        if exchange.failed and exchange.call.method == "initialize":
            self.refused = True
        if not self.lines:  # else the connection that carries the answer says so in a moment
            self.touch()

    def touch(self, now: float | None = None) -> None:
        """It is in use now, which takes as long to find out as all the rest; so who knows may say it."""
        self.used_at = trio.current_time() if now is None else now
        self.on_use(self)

    def tell(self, note: Notification) -> None:
        """Take a notification from the client; sync. What nobody needs is dropped."""
        if note.method == "notifications/initialized":
            self.ready = True
        elif note.method == "notifications/cancelled":
            key = read_id(bytes(note.params.get("requestId", b"null")))
            exchange = None if key is None else self.calls.get(key)
            if exchange is not None:
                exchange.cancel()

    def open_stream(self, answer: Answer) -> EventLog:
        """A new stream for the answer to a POST."""
        self._streams += 1
        self.answers[self._streams] = answer
        return EventLog(self._streams)

    def take_changes(self) -> list[bytes]:
        """What changed since it was last told, one notification for each kind of list."""
        changed, self.changed = sorted(self.changed), set()
        return [encode_notification(method, {}) for method in changed]

    def end(self) -> None:
        """End everything that is open."""
        for ending in self.endings():
            ending()

    def endings(self) -> list[Callable[[], None]]:
        """End, and leave it to the caller when to end each thing that is open."""
        self.ended = True
        calls = [partial(exchange.abort, "its session has ended") for exchange in self.calls.values()]
        return [*calls, *(line.hang_up for line in self.listeners)]
