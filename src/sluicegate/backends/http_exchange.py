"""One call on its way over HTTP: the POST, its answer as JSON or as a stream, and the stream's resumption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs
import httpx2
import trio

from ..protocol import eras, faults
from ..protocol.calls import Call, Reply
from ..protocol.errors import METHOD_NOT_FOUND, SESSION_NOT_FOUND
from ..protocol.events import Event, EventParser, OversizedEvent
from ..protocol.faults import Fault
from ..protocol.headers import EVENT_STREAM, JSON, LAST_EVENT_ID, METHOD, NAME, PROTOCOL_VERSION, SESSION_ID, media_type, safe_value
from ..protocol.messages import Malformed, Raw, encode_request
from .http_wire import Wire
from .incoming import Desk, deliver, messages_in
from .mapping import own_key, with_own_token

__all__ = ["Conversation", "HttpExchange", "Owner"]

LINGER_SECONDS = 0.05
"""How long, after the answer, the end of its stream may take for the connection to be kept."""
MOST_RESUMES = 5
"""Attempts in a row to resume a broken stream without hearing anything new (CORE-62)."""
RESUME_SECONDS = 1.0
"""The pause before one, unless the server says another."""
LONGEST_PAUSE = 30.0


@attrs.frozen
class Conversation:
    """What every request of one session carries."""

    session_id: str = attrs.field(default="", repr=False)
    version: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The session id and the negotiated version, as far as there are any."""
        named = {SESSION_ID: self.session_id} if self.session_id else {}
        return named | ({PROTOCOL_VERSION: self.version} if self.version in eras.LEGACY else {})


class Owner(Desk, Protocol):
    """What an exchange needs of its session."""

    def reached(self) -> None:
        """The backend answered something over HTTP."""
        ...


@attrs.define(eq=False)
class HttpExchange:
    """One POST under an id of our own (implements `Waiting`, and `Calls` for its answer). ``run`` may be called once."""

    wire: Wire
    owner: Owner
    conversation: Conversation
    call: Call
    number: int
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Cut when the session is left."""
    session_id: str = attrs.field(default="", init=False)
    """What the backend issued with its answer."""
    refused: Fault | None = attrs.field(default=None, init=False)
    """Set if no connection came about."""
    token: Raw | None = attrs.field(default=None, init=False)
    """The caller's own progress token."""
    _reply: Reply | None = attrs.field(default=None, init=False)
    _unnamed: bool = attrs.field(default=False, init=False)
    """The reply came without an id: it is about the POST, and not from what the call reached."""

    async def run(self) -> Reply | None:
        """The reply, or None if the backend does not know the session any more and so has not run the call."""
        call = self.call
        params, self.token = with_own_token(call.params, self.number)
        body = encode_request(self.number, call.method, params, call.extras)
        headers = self.conversation.headers | {"content-type": JSON, METHOD: safe_value(call.method)}
        if call.local:
            headers[NAME] = safe_value(call.local)
        call.sent_at = trio.current_time()
        call.trail.sent = True
        answer = await self.wire.open("POST", headers, body)
        if isinstance(answer, Fault):
            if self.wire.is_refusal(answer):
                self.refused = answer
            return Reply.failed(answer)
        self.owner.reached()
        parser = EventParser(self.wire.limit)
        try:
            broken = await self._read(answer, parser)
            if self._is_unknown_session(answer.status_code):
                return None
        finally:
            await answer.aclose()
        if self._reply is None and parser.last_id:
            broken = await self._resume(parser)
        return self._reply or Reply.failed(broken or self._unanswered())

    def _unanswered(self) -> Fault:
        return faults.lost(self.wire.backend, "its answer ended before it was complete")

    async def _read(self, answer: httpx2.Response, parser: EventParser) -> Fault | None:
        """Read whatever came; why it broke, or None."""
        if answer.is_success and answer.headers.get(SESSION_ID):
            self.session_id = answer.headers[SESSION_ID]
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            return faults.unreadable(self.wire.backend, "it is compressed, although that was not asked for")
        if answer.is_success and media_type(answer.headers.get("content-type", "")) == EVENT_STREAM:
            return await self._pump(answer, parser)
        body = await self.wire.read(answer)
        if isinstance(body, Fault):
            return body
        for message, data in messages_in(body) if body else ():
            if answer.is_success or not isinstance(message, Malformed):  # the page that comes with a refusal need not be a message
                deliver(message, data, self.owner, self)
        if self._reply is not None:
            return None
        if not answer.is_success:
            self._reply = Reply.failed(self.wire.status_fault(answer.status_code, body))
            return None
        return faults.unreadable(self.wire.backend, f"HTTP {answer.status_code} with {len(body)} bytes that hold no answer to the call")

    async def _pump(self, answer: httpx2.Response, parser: EventParser) -> Fault | None:
        def take(chunk: bytes) -> float | None:
            for event in parser.feed(chunk):
                self._event(event)
            return None if self._reply is None else LINGER_SECONDS

        return await self.wire.pump(answer, take)

    def _event(self, event: Event | OversizedEvent) -> None:
        if self._reply is not None:
            return  # nothing after completion (P-120)
        if isinstance(event, OversizedEvent):
            self._reply = Reply.failed(self.wire.too_large())
        elif event.data:
            for message, data in messages_in(event.data):
                deliver(message, data, self.owner, self)

    def _is_unknown_session(self, status: int) -> bool:
        """404 and -32005 say so; some servers answer 400 and name the session. Whatever they say, the call was not run.

        A -32005 under the call's own id, with a status that says all is well, may be a tool's own error, and that tool has run.
        """
        if not self.conversation.session_id or self._reply is None or self._reply.fault is None:
            return False
        fault = self._reply.fault
        if fault.code == SESSION_NOT_FOUND:
            return self._unnamed or not 200 <= status < 300
        if status == 404:
            return fault.code != METHOD_NOT_FOUND
        said = fault.message if fault.raw is not None else fault.message.partition("HTTP 400")[2]  # without the backend's name
        return status == 400 and "session" in said.lower()

    async def _resume(self, parser: EventParser) -> Fault | None:
        """Fetch the rest of a stream whose events had ids (P-63): the backend still works on the call, so nothing is sent twice."""
        silent = 0
        while silent < MOST_RESUMES and self._reply is None:
            pause = RESUME_SECONDS if parser.retry_seconds is None else parser.retry_seconds
            await trio.sleep(min(pause, LONGEST_PAUSE))
            heard = parser.last_id
            answer = await self.wire.open("GET", self._resuming(heard))
            if isinstance(answer, httpx2.Response):
                parser = EventParser(self.wire.limit, heard, parser.retry_seconds)
                try:
                    refused = await self._read_on(answer, parser)
                finally:
                    await answer.aclose()
                if refused is not None:
                    return refused
            silent = 0 if parser.last_id != heard else silent + 1
        return self._unanswered()

    async def _read_on(self, answer: httpx2.Response, parser: EventParser) -> Fault | None:
        """Read the rest of a stream; why there is none to be had, or None."""
        if answer.status_code != 200 or media_type(answer.headers.get("content-type", "")) != EVENT_STREAM:
            return faults.lost(self.wire.backend, f"its answer broke off, and HTTP {answer.status_code} refused the rest")
        await self._pump(answer, parser)
        return None

    def _resuming(self, last_id: str) -> Mapping[str, str]:
        return self.conversation.headers | {LAST_EVENT_ID: last_id}

    def waiting(self, key: int | str | None) -> HttpExchange | None:
        """This call; an error without an id, too, can only be about what this POST carried."""
        self._unnamed = key is None
        return self.reporting(self.number if key is None else own_key(key))

    def reporting(self, number: int) -> HttpExchange | None:
        """This call, until it has its reply."""
        return self if number == self.number and self._reply is None else None

    def logging(self) -> HttpExchange | None:
        """What is said on the stream of a call is about it."""
        return self.reporting(self.number)

    def settle(self, reply: Reply) -> None:
        """Here is the answer."""
        self._reply = reply
