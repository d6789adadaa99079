"""A client's session: what it has going on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import NAMED_BY, Call, Caller, Handler, Reply
from ..protocol.duplex import Duplex, Incoming
from ..protocol.eras import OPENS
from ..protocol.log_levels import LEVELS, SET_LEVEL, is_log_line, severity
from ..protocol.messages import Request, read_text
from ..protocol.parts import Parts
from ..protocol.principal import Principal
from ..protocol.question import Question
from ..protocol.why import Why
from .answer_stream import AnswerStream
from .client_home import ClientHome
from .client_side import ClientSide
from .endpoint import Endpoint, Limits
from .exchange import Exchange, Outlet, answer_at_once
from .owners import Owner
from .stream import Downlink, EventLog
from .untold import Untold

__all__ = ["Session"]

_REMEMBERED = OPENS | {SET_LEVEL}
"""Requests whose end changes the session."""
_BEFORE_READY = OPENS | {"ping"}
"""What says nothing about whether its client has read the answer to ``initialize``."""


@attrs.define(eq=False, repr=False)
class Session(ClientSide):
    """One client's conversation. Stdio has exactly one; over HTTP a `SessionTable` holds them."""

    caller: Caller
    limits: Limits
    orphans: dict[Exchange, Owner] = attrs.field(factory=dict)
    """Calls whose connection is gone, of all sessions of the table, and whose they are."""
    owner: Owner = attrs.field(factory=Owner)
    """Whose it is, among those of the table; told whenever it was in use."""
    opened: bool = True
    """Its ``initialize`` was taken. False where none has come yet, and where it was answered with a fault: then there is no session for its client."""
    declares: Callable[[Caller, str], bool] = attrs.field(default=lambda _caller, _capability: True, repr=False)
    """Whether a client is told of a capability."""
    differs_between: Callable[[Caller, Caller], frozenset[str]] = lambda _one, _other: frozenset()
    """Which lists are other ones for the one than for the other."""
    home: ClientHome | None = None
    """Where what is kept for its client alone lives; None where nothing can be."""
    ready: bool = attrs.field(default=False, init=False)
    """The client goes on after the handshake: it has sent ``notifications/initialized``, or a request, which says the same (HTTP-10)."""
    ended: bool = attrs.field(default=False, init=False)
    used_at: float = attrs.field(factory=trio.current_time, init=False)
    duplex: Duplex[Question, Exchange] = attrs.field(
        default=attrs.Factory(lambda self: Duplex(Incoming(self.limits.max_calls_per_session)), takes_self=True), init=False
    )
    """What the client has asked, and what it is asked."""
    calls: dict[int | str, Exchange] = attrs.field(
        default=attrs.Factory(lambda self: self.duplex.theirs.running, takes_self=True), init=False
    )
    """What the client has asked."""
    answers: dict[int, AnswerStream] = attrs.field(factory=dict, init=False)
    """Streams of POSTs, running or waiting for the client to come back."""
    kept: dict[EventLog, None] = attrs.field(factory=dict, init=False)
    """The finished ones among them, oldest first; the table's bookkeeping."""
    downlinks: set[Downlink] = attrs.field(factory=set, init=False)
    """Connections that carry an answer now."""
    streams: set[Downlink] = attrs.field(factory=set, init=False)
    """Those of them that were opened with GET."""
    listeners: list[Downlink] = attrs.field(factory=list, init=False)
    """Open GET streams; the newest one gets the news, because each message goes on exactly one stream (P-62)."""
    quietest: int = attrs.field(default=0, init=False)
    """The rank of the level from which on its client wants to hear what servers log; all until it says so."""
    told: int = attrs.field(default=0, init=False)
    """The number of the last of the news that was sent."""
    changes: Untold = attrs.field(
        default=attrs.Factory(lambda self: Untold() if self.home is None else self.home.changes, takes_self=True), init=False
    )
    """What waits for a stream to be told on."""
    _opening: trio.Event | None = attrs.field(default=None, init=False)
    """While its ``initialize`` has no answer yet."""
    _until: Callable[[], Awaitable[None]] | None = attrs.field(default=None, init=False)
    """What its calls wait for, as long as there is such a thing: that answer, or what it would have waited for."""
    _news: EventLog | None = attrs.field(default=None, init=False)
    _streams: int = attrs.field(default=0, init=False)
    _above: int = attrs.field(default=0, init=False)

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
            self._news.last = self._above
        return self._news

    @property
    def may_be_told(self) -> bool:
        """Whether its client knows of the session already; before that no news makes sense."""
        return self.ready and self._opening is None

    @property
    def is_busy(self) -> bool:
        """Whether something is open, which keeps it from being idle."""
        return bool(self.calls or self.downlinks)

    def start(
        self, request: Request, outlet: Outlet, endpoint: Endpoint, principal: Principal | None = None, *, answers_cancelled: bool = True
    ) -> Exchange | None:
        """Start a request, as a task in ``endpoint.calls`` where it needs one; None if the outlet has its answer already.

        Its ``principal`` may do something else than before; None is who was there last.
        """
        may_begin = self.opened or request.method in _BEFORE_READY
        fault = self.duplex.theirs.refusal(request.key, request.method, "calls") if may_begin else faults.not_initialized()
        if fault is not None:
            endpoint.door.turn_away(request, fault, outlet, self.caller)
            return None
        key, params = request.key, request.params
        target = read_text(params, NAMED_BY.get(request.method, "")) or request.method
        if principal is not None and principal is not self.caller.principal:
            self.meet(principal)
        call = Call(request.method, target, params, self.caller)
        early = not self.ready or self._until is not None
        keeps = endpoint.directory.current.table.keeps and not early
        found = answer_at_once(request.id, call, endpoint.at_once, endpoint.door.audit) if keeps else None
        if isinstance(found, (bytes, Parts)):
            outlet.reply(found)
            return None
        exchange = Exchange(request.id, call, self, outlet, partial(self._forget, key), answers_cancelled, endpoint.door.audit)
        call.back = exchange
        self.calls[key] = exchange
        if found is not None:
            exchange.expect(found)
        else:
            handler = endpoint.own.get(request.method, endpoint.handler)
            endpoint.calls.start_soon(exchange.run, self._around_opening(request.method, handler) if early else handler)
        return exchange

    def _around_opening(self, method: str, handler: Handler) -> Handler:
        """The handler of a request that comes early: a client that sends everything at once still reads the answer to ``initialize`` first."""
        if method in OPENS:
            self._opening = trio.Event()
            self._until = self._opening.wait
        if method in _BEFORE_READY:
            return handler
        self.settle()
        return handler if self._until is None else partial(self._once_opened, self._until, handler)

    async def _once_opened(self, until: Callable[[], Awaitable[None]], handler: Handler, call: Call) -> Reply:
        await until()
        if self._until is until:
            self._until = None
        return await handler(call) if self.opened else Reply.failed(faults.not_initialized())

    def _forget(self, key: int | str) -> None:
        exchange = self.calls.pop(key)
        self.orphans.pop(exchange, None)
        if exchange.call.method in _REMEMBERED:
            self._remember(exchange)
        if not self.downlinks:  # else the connection that carries the answer says so in a moment
            self.touch()

    def _remember(self, exchange: Exchange) -> None:
        """What the answer to a request means for the session."""
        if exchange.call.method == SET_LEVEL:
            if not exchange.failed:
                self.quietest = LEVELS.get(read_text(exchange.call.params, "level") or "", 0)
        elif self._opening is not None:
            self.opened = not exchange.failed
            self.changes.forget_lists()
            self._opening.set()
            self._opening = self._until = None

    def touch(self, now: float | None = None) -> None:
        """It is in use now, which takes as long to find out as all the rest; so who knows may say it."""
        self.used_at = trio.current_time() if now is None else now
        self.owner.used(self)

    def settle(self) -> None:
        """The client goes on after the handshake."""
        self.ready = True
        self.touch()

    def meet(self, principal: Principal) -> None:
        """Its client shows another token: what is told and given from here on is what that one may have (P-61)."""
        before, self.caller = self.caller, attrs.evolve(self.caller, principal=principal)
        if before.principal.roles != principal.roles:
            self.tell(self.differs_between(before, self.caller))
            if self.home is not None:
                self.home.judge_by(principal)

    def go_on(self, *, above: int, settled: Callable[[], Awaitable[None]]) -> None:
        """It began elsewhere: its streams and events get higher numbers than they had there, and its calls wait as ``initialize`` would."""
        self._streams = self._above = above
        self._until = settled
        self.settle()

    def hears(self, note: bytes) -> bool:
        """Whether its client is to get a note: what servers log only if it was told that there is such a thing, and if it is loud enough."""
        if not is_log_line(note):
            return True
        return self.declares(self.caller, "logging") and (not self.quietest or severity(note) >= self.quietest)

    def open_stream(self, answer: AnswerStream) -> EventLog:
        """A new stream for the answer to a POST."""
        self._streams += 1
        self.answers[self._streams] = answer
        return EventLog(self._streams)

    def tell(self, methods: frozenset[str]) -> bool:
        """Its client is to hear of these changes, when it can; whether there are any."""
        self.changes.add(methods)
        return bool(methods)

    def end(self) -> None:
        """End everything that is open."""
        for ending in self.endings():
            ending()

    def endings(self) -> list[Callable[[], None]]:
        """End, and leave it to the caller when to end each thing that is open."""
        self.ended = True
        if self.home is not None:
            self.home.end()
        return [*self.duplex.close(Why("its session has ended")), *(downlink.hang_up for downlink in self.listeners)]
