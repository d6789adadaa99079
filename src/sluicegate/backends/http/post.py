"""One call on its way over HTTP: the POST, its answer as JSON or as a stream, and the stream's resumption."""

from __future__ import annotations

from abc import abstractmethod

import attrs
import trio

from ...channel.lines import Oversized
from ...http1.client.response import ClientResponse
from ...protocol import faults
from ...protocol.calls import Call, Reply
from ...protocol.duplex import receive
from ...protocol.eras import OPENS
from ...protocol.faults import Fault
from ...protocol.headers import EVENT_STREAM, JSON, SESSION_ID, media_type
from ...protocol.messages import Malformed, Message, Raw, encode_request
from ...protocol.sse import Event, EventParser, OversizedEvent
from ...protocol.tokens import own_key, with_own_token
from ...protocol.why import Why
from ..incoming import Desk, messages_in
from .forgotten import Memory, is_harmless, memory_of, speaks_of_session
from .session_headers import Conversation, lines_of_call
from .wire import CODING, Wire

__all__ = ["HttpExchange", "PostingSession"]

LINGER_SECONDS = 0.05
"""How long, after the answer, the end of its stream may take for the connection to be kept."""
MOST_RESUMES = 5
"""Attempts in a row to resume a broken stream without hearing anything new (CORE-62). Whoever says when to come again is asked until the call's end."""
RESUME_SECONDS = 1.0
"""The pause before one, unless the server says another."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Whatever the server says."""
TOO_MANY = 429

_SESSION_ID = SESSION_ID.encode()


class PostingSession(Desk):
    """What an exchange needs of its session."""

    __slots__ = ()

    @abstractmethod
    def reached(self) -> None:
        """The backend answered something over HTTP."""


@attrs.define(eq=False, repr=False)
class HttpExchange:
    """One POST under an id of our own (implements `Waiting`, `Asked`, and `Requests` for its answer). ``run`` may be called once."""

    wire: Wire
    owner: PostingSession
    conversation: Conversation
    call: Call
    number: int
    session_id: str = attrs.field(default="", init=False)
    """What the backend issued with its answer."""
    refused: Fault | None = attrs.field(default=None, init=False)
    """Set if no connection came about."""
    token: Raw | None = attrs.field(default=None, init=False)
    """The caller's own progress token."""
    left: bool = attrs.field(default=False, init=False)
    """The backend may have heard of it."""
    memory: Memory = attrs.field(default=Memory.KNOWN, init=False)
    """Whether the backend still knows the session, as far as the answer tells."""
    _reply: Reply | None = attrs.field(default=None, init=False)
    _unnamed: bool = attrs.field(default=False, init=False)
    """The reply came without an id: it is about the POST, and not from what the call reached."""
    _has_spoken: bool = attrs.field(default=False, init=False)
    """Something came before the reply, so the call was not refused at the door."""
    _pause: trio.CancelScope | None = attrs.field(default=None, init=False)
    """Set while it waits before it resumes a stream."""
    _cut: Fault | None = attrs.field(default=None, init=False)
    _parser: EventParser | None = attrs.field(default=None, init=False)
    """Made when the answer turns out to be a stream."""

    async def run(self) -> Reply | None:
        """The reply, or None if the backend does not know the session any more and so has not run the call."""
        call = self.call
        params, self.token = with_own_token(call.params, self.number)
        body = encode_request(self.number, call.method, params)
        headers = self.conversation.posting + lines_of_call(call)
        call.sent_at = trio.current_time()
        call.trail.sent = True
        answer = await self.wire.open(b"POST", headers, body, principal=call.caller.principal, purpose=self.owner, leaves=self._leave)
        if isinstance(answer, Fault):
            if self.wire.is_refusal(answer):
                self.refused = answer
            return Reply.failed(answer)
        self.owner.reached()
        try:
            broken = await self._read(answer)
            if self._reply is not None and self._reply.fault is not None:
                self._look_for_loss(answer.status, self._reply.fault)
                if self.memory is Memory.FORGOTTEN:
                    return None
        finally:
            answer.close()
        if self._reply is None and self._parser is not None and self._parser.last_id and not self.conversation.is_modern:
            broken = await self._resume(self._parser)
        return self._reply or Reply.failed(self._cut or broken or self._unanswered())

    def _leave(self) -> None:
        self.left = True

    def lose(self, why: Why) -> None:
        """Go no further; what is under way breaks with its connection."""
        self._cut = faults.lost(self.wire.backend, why)
        if self._pause is not None:
            self._pause.cancel(reason=why.operator)

    def _unanswered(self) -> Fault:
        return faults.lost(self.wire.backend, Why("its answer ended before it was complete"))

    async def _read(self, answer: ClientResponse) -> Fault | None:
        """Read whatever came; why it broke, or None."""
        is_success = answer.is_success
        if is_success:
            self.session_id = answer.header(_SESSION_ID)
        kind = answer.header(b"content-type")
        if is_success and kind != JSON and media_type(kind) == EVENT_STREAM:
            self._parser = EventParser(self.wire.limit)
            return await self.wire.pump(answer, self._take)
        body = self.wire.read_now(answer) if answer.complete and not answer.header(CODING) else await self.wire.read(answer)
        if isinstance(body, Fault):
            return body
        for message, data in messages_in(body, self.wire.backend) if body else ():
            if is_success or not isinstance(message, Malformed):  # the page that comes with a refusal need not be a message
                self._deliver(message, data)
        if self._reply is not None:
            if self._reply.fault is not None:
                self._reply = Reply.failed(self.wire.judged(answer, self._reply.fault))
            return None
        if not is_success:
            self._reply = Reply.failed(self.wire.status_fault(answer, body))
            return None
        return faults.unreadable(self.wire.backend, Why(f"HTTP {answer.status} with {len(body)} bytes that hold no answer to the call"))

    def _take(self, chunk: bytes) -> float | None:
        assert self._parser is not None
        for event in self._parser.feed(chunk):
            self._event(event)
        return None if self._reply is None else LINGER_SECONDS

    def _event(self, event: Event | OversizedEvent) -> None:
        if self._reply is not None:
            return  # nothing after completion (P-120)
        if isinstance(event, OversizedEvent):
            if Oversized(event.size, event.head, event.tail).is_answer:
                self._reply = Reply.failed(self.wire.too_large())
            else:
                self.owner.complain(f"an event of more than {event.limit} bytes")
        elif event.data:
            for message, data in messages_in(event.data, self.wire.backend):
                self._deliver(message, data)

    def _deliver(self, message: Message, data: bytes | Raw) -> None:
        receive(message, data, self.owner, self, self.number)
        if self._reply is None:
            self._has_spoken = True

    def _look_for_loss(self, status: int, fault: Fault) -> None:
        """Note what an error says about the session."""
        if self.call.method in OPENS:
            return
        has_id, own = bool(self.conversation.session_id), speaks_of_session(self.call)
        memory = memory_of(status, fault, has_id=has_id, unnamed=self._unnamed, own_session=own)
        if memory is Memory.FORGOTTEN and self._has_spoken:
            memory = Memory.IN_DOUBT
        if memory is Memory.IN_DOUBT and is_harmless(self.call):
            memory = Memory.FORGOTTEN
        if memory is Memory.IN_DOUBT:  # whatever its status says of calls that were not begun
            self._reply = Reply.failed(attrs.evolve(fault, started=True))
        self.memory = memory

    async def _resume(self, parser: EventParser) -> Fault | None:
        """Fetch the rest of a stream whose events had ids (P-63): the backend still works on the call, so nothing is sent twice."""
        silent = 0
        while silent < MOST_RESUMES and self._reply is None and self._cut is None:
            await self._rest(RESUME_SECONDS if parser.retry_seconds is None else parser.retry_seconds)
            heard, is_polled = parser.last_id, False
            answer = await self._reopen(heard)
            if isinstance(answer, ClientResponse):
                parser = self._parser = EventParser(self.wire.limit, heard, parser.retry_seconds)
                is_polled = await self._read_on(answer, parser)
            silent = 0 if is_polled or parser.last_id != heard else silent + 1
        return self._unanswered()

    async def _read_on(self, answer: ClientResponse, parser: EventParser) -> bool:
        """Read the rest of a stream, as far as it comes; whether it ended in order, and its server has said when to come again."""
        try:
            status = answer.status
            if status == 200 and media_type(answer.header(b"content-type")) == EVENT_STREAM:
                return await self.wire.pump(answer, self._take) is None and parser.retry_seconds is not None
            if status < 500 and status != TOO_MANY:
                self._cut = faults.lost(self.wire.backend, Why(f"its answer broke off, and HTTP {status} refused the rest"))
            return False
        finally:
            answer.close()

    async def _rest(self, seconds: float) -> None:
        with trio.CancelScope() as self._pause:
            await trio.sleep(min(max(seconds, SHORTEST_PAUSE), LONGEST_PAUSE))
        self._pause = None

    async def _reopen(self, last_id: str) -> ClientResponse | Fault:
        if self._cut is not None:
            return self._cut
        try:
            lines = self.conversation.resuming(last_id)
        except ValueError:
            return self._unanswered()
        return await self.wire.open(b"GET", lines, principal=self.call.caller.principal, purpose=self.owner)

    def waiting(self, key: int | str | None) -> HttpExchange | None:
        """This call; an error without an id, too, can only be about what this POST carried."""
        if self._reply is None:
            self._unnamed = key is None
        return self.reporting(self.number if key is None else own_key(key))

    def reporting(self, number: int) -> HttpExchange | None:
        """This call, until it has its reply."""
        return self if number == self.number and self._reply is None else None

    def settle(self, reply: Reply) -> None:
        """Here is the answer."""
        self._reply = reply

    @property
    def is_answered(self) -> bool:
        """Whether its answer has come."""
        return self._reply is not None
