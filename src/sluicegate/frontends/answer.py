"""The answer to one POST: plain JSON if all replies are there before anything else is to be told, else a stream of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import attrs
import trio

from ..protocol.eras import PRIMED
from ..protocol.messages import Malformed, Message, Request
from ..protocol.parts import Parts
from ..protocol.principal import Principal
from .endpoint import Endpoint
from .event_stream import beginning, headers_for, send_answer
from .exchange import Exchange
from .request import Headers, HttpRequest, version_header
from .session_table import SessionTable
from .sessions import Session
from .stream import Downlink, EventLog

__all__ = ["PostAnswer"]

_ANSWERED = (Request, Malformed)


@attrs.define(eq=False, repr=False)
class PostAnswer:
    """Collects the replies to one request, or to a batch of them (implements `Outlet`)."""

    session: Session
    principal: Principal
    table: SessionTable
    endpoint: Endpoint
    may_be_json: bool
    may_stream: bool
    is_batch: bool = False
    extra: Headers = ()
    """Headers of the answer beside those that each in its session has."""
    held: int = 0
    """Bytes of the request that count as large, until it has its answer."""
    log: EventLog | None = attrs.field(default=None, init=False)
    _downlink: Downlink | None = attrs.field(default=None, init=False)
    """Its own connection, while that is there; what is kept for another one must not hold all that belonged to the first."""
    _left: bool = attrs.field(default=False, init=False)
    """No connection carries it now."""
    _waiting: int = attrs.field(default=0, init=False)
    _replies: list[bytes | Parts] = attrs.field(factory=list, init=False)
    _exchanges: list[Exchange] = attrs.field(factory=list, init=False)

    def note(self, message: bytes) -> None:
        """Tell something about a call, which makes the answer a stream; who takes JSON only, or left before there was one, goes without."""
        if self.may_stream and self._waiting and not (self._left and self.log is None) and self.session.hears(message):
            self._become_stream().put(message)

    def ask(self, message: bytes) -> Callable[[], None] | None:
        """Ask the client, unless it takes JSON alone, has its answer, or went before it knew how to come back for the question."""
        if not self.may_stream or self._waiting == 0 or (self._left and not (self.log is not None and self.log.is_known)):
            return None
        log = self._become_stream()
        log.put(message, is_note=False)
        return partial(log.make_note, log.last)

    def reply(self, message: bytes | Parts | None) -> None:
        """One call is over."""
        self._waiting -= 1
        if message is not None and self.log is None:
            self._replies.append(message)
        elif message is not None and self.log is not None:
            self.table.large_events.look(len(message), self._exchanges)
            self.log.put(bytes(message), is_note=False)
        if self._waiting == 0:
            self.endpoint.waits.answers.forget(self)
            if self.held:
                self.table.let_go(self.session.owner, self.held)
            self._exchanges.clear()  # an answer may be kept for long, and a request may be large
            if self.log is not None:
                self.log.end()
                if self._left:
                    self._put_away(self.log, may_be_missed=True)
            if self._downlink is not None:
                self._downlink.ring()

    def begin_stream(self) -> None:
        """It takes long (implements `Unanswered`): begin, so that its client can come back for the rest."""
        if not any(exchange.call.trail.whole for exchange in self._exchanges):
            self._become_stream()

    def _become_stream(self) -> EventLog:
        if self.log is None:
            self.endpoint.waits.answers.forget(self)
            self.log = self.session.open_stream(self)
            for message in self._replies:
                self.log.put(bytes(message), is_note=False)
            self._replies.clear()
            if self._downlink is not None:
                self._downlink.ring()
        return self.log

    async def run(self, http: HttpRequest, messages: Sequence[Message]) -> None:
        """Start the calls and answer; the HTTP request's own task. When it ends early, the calls go on as orphans (P-64)."""
        downlink = self._downlink = http.downlink
        self.session.downlinks.add(downlink)
        try:
            self._start(messages)
            while self._waiting and self.log is None and downlink.is_open:
                await downlink.wait()
            if self.log is not None:
                await self._send_events(http, self.log, 0)
            elif not self._waiting:
                body = b"[" + b",".join(map(bytes, self._replies)) + b"]" if self.is_batch else self._replies[0]
                extra = self.extra if self.session.opened else ()  # of a session that has not begun nobody learns the id
                await http.respond(200, body, headers=(*version_header(self.session.caller.era), *extra))
        finally:
            self._leave(downlink)

    async def resume(self, http: HttpRequest, after: int) -> None:
        """Send the rest on another connection of the same client."""
        assert self.log is not None
        if self.log.reader is not None:
            self.log.reader.hang_up()
        self.log.reader = http.downlink  # before the connection that it takes over from is done with: that would leave an orphan
        self.table.begin_stream(self.session, http.downlink)
        self.endpoint.waits.standing.begin(http.downlink, self.session.caller.principal)
        self._left = False
        for exchange in self._exchanges:
            self.session.orphans.pop(exchange, None)
            exchange.go_on()
        try:
            await self._send_events(http, self.log, min(after, self.log.last))
        finally:
            self._leave(http.downlink)

    def _start(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._waiting += isinstance(message, _ANSWERED)
        if not self.may_be_json:
            self._become_stream()
        for message in messages:
            if isinstance(message, Request):
                self.begin(message)
            else:
                if isinstance(message, Malformed):
                    self.endpoint.door.tell_of_garbled(message, self.session.caller)
                self.session.receive(message, self)  # in its turn: it may cancel what stands before it
        if self.may_stream and self._waiting and self.log is None:
            self.endpoint.waits.answers.expect(self)

    def begin(self, request: Request) -> None:
        """Start one call."""
        exchange = self.session.start(request, self, self.endpoint, self.principal)
        if exchange is not None:
            self._exchanges.append(exchange)

    async def _send_events(self, http: HttpRequest, log: EventLog, after: int) -> None:
        version = self.session.version
        await http.start(200, headers_for(version, self.extra))
        log.is_known = log.is_known or (version in PRIMED and http.downlink.is_open)
        await send_answer(http, log, self.endpoint.waits.quiet, beginning(version, log.event_id(after)), after)

    def _leave(self, downlink: Downlink) -> None:
        """A connection is done with; another one may have taken over."""
        self._downlink = None
        self.session.downlinks.discard(downlink)
        if downlink in self.session.streams:
            self.table.end_stream(self.session, downlink)
            self.endpoint.waits.standing.end(downlink)
        self.session.touch()
        if self.log is not None:
            if self.log.reader not in (downlink, None):
                return
            self.log.reader = None
        self._left = True
        self.endpoint.waits.answers.forget(self)  # whoever comes back knows of a stream
        if self._waiting:
            self._orphan()
        elif self.log is not None:
            self._put_away(self.log, may_be_missed=not downlink.is_open)

    def _put_away(self, log: EventLog, *, may_be_missed: bool) -> None:
        """The stream has ended: keep it only if its client cannot have read it all."""
        if may_be_missed and not self.session.ended:
            self.table.keep(self.session, log)
        else:
            self.table.drop(self.session, log)

    def _orphan(self) -> None:
        """Nobody listens: let the calls go on for a while, and only so many of them."""
        now, why = trio.current_time(), "its connection was lost and nobody came back for the answer"
        for exchange in self._exchanges:
            if not exchange.ended:
                seconds = self.table.limits.orphan_seconds if self.table.has_room_for_orphan(self.session) else 0
                self.session.orphans[exchange] = self.session.owner
                exchange.expire(now + seconds, why)
