"""The answer to one request that belongs to no session: JSON if the reply comes first, else a stream that ends with it (P-51, P-52)."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from ...protocol.calls import Call, Trail
from ...protocol.fault import Fault
from ...protocol.introduction import Introduction
from ...protocol.messages import Request
from ...protocol.parts import Parts
from ..event_stream import BEGUN, STREAM_HEADERS, send_answer
from ..request import HttpRequest
from ..stream import EventLog
from .lone_calls import LoneCalls, count_nothing
from .parking import Comeback
from .stamp import status_of

__all__ = ["LoneAnswer"]


@attrs.define(eq=False, repr=False)
class LoneAnswer:
    """Runs one call and answers it (implements `LoneOutlet`, and `Place` among what its owner has open)."""

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
    _has_it: bool = attrs.field(default=False, init=False)
    """Its client was there when its end was sent."""

    async def run(self, http: HttpRequest, request: Request, call: Call | Comeback, when_over: Callable[[], None] = count_nothing) -> None:
        """Start the call and answer it; the HTTP request's own task. Who does not wait for the answer takes the call back (P-52)."""
        self._http, self._trail = http, call.trail
        if not self.may_be_json:
            self._log = EventLog(0)
        leave = self.calls.start(request, call, self, when_over=when_over)
        waits = self.calls.endpoint.waits
        if self.may_stream and self.may_be_json:
            waits.answers.expect(self)
        try:
            while self._reply is None and self._log is None and http.downlink.is_open:
                await http.downlink.wait()
            if self._log is not None:
                await http.start(200, STREAM_HEADERS)
                self._has_it = await send_answer(http, self._log, waits.quiet, BEGUN, with_ids=False)  # there is nothing to come back for
            elif self._reply is not None:
                self._has_it = http.downlink.is_open
                await http.respond(self._status, self._reply)
        finally:
            self._http = None
            waits.answers.forget(self)
            leave(has_it=self._has_it)

    def ends_with(self, fault: Fault | None) -> None:
        """The reply is about to come, and is one of this kind."""
        self._status = status_of(fault)

    # -- what is told about the call

    def begin(self, request: Request) -> None:
        """There is one request, and no other may come this way."""

    def note(self, message: bytes) -> None:
        """Progress, or a log line if the request has asked for such."""
        if not self.may_stream or self._reply is not None or not self.introduction.hears(message):
            return
        self._become_stream().put(message)

    def begin_stream(self) -> None:
        """It takes long (implements `Unanswered`)."""
        if self._reply is None and self._trail is not None and not self._trail.whole:
            self._become_stream()

    def _become_stream(self) -> EventLog:
        if self._log is None:
            self._log = EventLog(0)
            if self._http is not None:
                self._http.downlink.ring()
        return self._log

    def reply(self, message: bytes | Parts | None) -> None:
        """The call is over."""
        self._reply = message
        if self._log is not None and message is not None:
            self._log.put(bytes(message), is_note=False)
            self._log.end()
        if self._http is not None:
            self._http.downlink.ring()

    def ask(self, message: bytes) -> None:
        """Nobody is asked on this way."""

    def touch(self, now: float | None = None) -> None:
        """It is in use as long as it is there."""
        self.used_at = trio.current_time() if now is None else now
