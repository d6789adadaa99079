"""The answer to one request that belongs to no session: JSON if the reply comes first, else a stream that ends with it (P-51, P-52)."""

from __future__ import annotations

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Call, Reply, Trail
from ...protocol.fault import Fault
from ...protocol.introduction import Introduction
from ...protocol.log_levels import LEVELS, is_log_line, severity
from ...protocol.messages import Request
from ...protocol.parts import Parts
from ...protocol.question import Question
from ...protocol.sse import format_comment, format_event
from ..event_stream import KEEP_ALIVE_SECONDS, STREAM_HEADERS
from ..exchange import Exchange, Outlet
from ..request import HttpRequest
from ..stream import EventLog
from .lone_calls import LoneCalls
from .stamp import status_of

__all__ = ["LoneAnswer"]


@attrs.frozen
class _Mute:
    """A client that takes no questions during a call (implements `Asker`): it is asked by an answer."""

    def ask(self, question: Question, outlet: Outlet) -> Fault:
        """Refuse."""
        del question, outlet
        return faults.cannot_ask("a client of this revision takes no questions during a call")


_MUTE = _Mute()


@attrs.define(eq=False)
class LoneAnswer:
    """Runs one call and answers it (implements `Outlet`, and `Place` among what its owner has open)."""

    calls: LoneCalls
    introduction: Introduction
    may_be_json: bool
    may_stream: bool
    ready: bool = attrs.field(default=True, init=False)
    used_at: float = attrs.field(factory=trio.current_time, init=False)
    is_busy: bool = attrs.field(default=True, init=False)
    _http: HttpRequest | None = attrs.field(default=None, init=False)
    _trail: Trail | None = attrs.field(default=None, init=False)
    _log: EventLog | None = attrs.field(default=None, init=False)
    _reply: bytes | Parts | None = attrs.field(default=None, init=False)
    _status: int = attrs.field(default=200, init=False)

    async def run(self, http: HttpRequest, request: Request, call: Call) -> None:
        """Start the call and answer it; the HTTP request's own task. Who does not wait for the answer takes the call back (P-52)."""
        self._http, self._trail = http, call.trail
        exchange = Exchange(request.id, call, _MUTE, self, lambda: None, answers_cancelled=True)
        call.back = exchange
        if not self.may_be_json:
            self._log = EventLog(0)
        self.calls.endpoint.calls.start_soon(exchange.run, self._handle)
        if self.may_stream and self.may_be_json:
            self.calls.endpoint.slow_answers.expect(self)
        try:
            while self._reply is None and self._log is None and http.downlink.is_open:
                await http.downlink.wait()
            if self._log is not None:
                await self._stream(http, self._log)
            elif self._reply is not None:
                await http.respond(self._status, self._reply)
        finally:
            self._http = None
            self.calls.endpoint.slow_answers.forget(self)
            exchange.cancel()

    async def _handle(self, call: Call) -> Reply:
        reply = await self.calls.handle(call)
        self._status = status_of(reply.fault)
        return reply

    async def _stream(self, http: HttpRequest, log: EventLog) -> None:
        """No event has an id: there is nothing to come back for."""
        log.reader = http.downlink
        await http.start(200, STREAM_HEADERS)
        await http.send_part(format_comment("stream"))
        told = 0
        while http.downlink.is_open and not (log.ended and told == log.last):
            events = log.after(told)
            if events:
                told = events[-1][0]
                await http.send_part(b"".join(format_event(data) for _number, data in events))
            elif not await http.downlink.wait(KEEP_ALIVE_SECONDS):
                await http.send_part(format_comment("still here"))
        await http.send_part(b"", more=False)

    # -- what is told about the call

    def begin(self, request: Request) -> None:
        """There is one request, and no other may come this way."""

    def note(self, message: bytes) -> None:
        """Progress, or a log line if the request has asked for such."""
        if not self.may_stream or self._reply is not None or not self._hears(message):
            return
        self._become_stream().put(message)

    def begin_stream(self) -> None:
        """It takes long (implements `Unanswered`)."""
        if self._reply is None and self._trail is not None and not self._trail.whole:
            self._become_stream()

    def _become_stream(self) -> EventLog:
        if self._log is None:
            self._log = EventLog(0)
            self._ring()
        return self._log

    def _hears(self, message: bytes) -> bool:
        level = self.introduction.level
        return not is_log_line(message) or (level is not None and severity(message) >= LEVELS[level])

    def reply(self, message: bytes | Parts | None) -> None:
        """The call is over."""
        self._reply = message
        if self._log is not None and message is not None:
            self._log.put(bytes(message), is_note=False)
            self._log.end()
        self._ring()

    def _ring(self) -> None:
        if self._http is not None:
            self._http.downlink.ring()

    def ask(self, message: bytes) -> None:
        """Nobody is asked on this way."""

    def touch(self, now: float | None = None) -> None:
        """It is in use as long as it is there."""
        self.used_at = trio.current_time() if now is None else now
