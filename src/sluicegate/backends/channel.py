"""A session over anything that carries whole messages one after the other: pipes, memory streams, later sockets.

The transport hands every message that arrives to `ChannelSession.receive` and sends what `ChannelSession.next_frame` returns; this class
knows ids, progress, cancellation and faults, and never touches a stream.
"""

from __future__ import annotations

from collections import deque

import attrs
import trio

from ..events import get_logger
from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.faults import Fault
from ..protocol.messages import (
    Malformed,
    Notification,
    Params,
    Raw,
    Request,
    Response,
    decode,
    decode_object,
    encode,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
)
from .session import Inbox

__all__ = ["ChannelSession"]

log = get_logger("sluicegate.backend")

MOST_QUEUED = 1024
"""Messages that may wait for a backend that does not read; the next call is refused as overload."""


@attrs.define(eq=False)
class _Pending:
    call: Call
    token: Raw | None
    """The caller's own progress token."""
    frame: bytes | None
    """The message while it waits for the writer; None once it has left."""
    done: trio.Event = attrs.field(factory=trio.Event)
    reply: Reply | None = None

    def settle(self, reply: Reply) -> None:
        if self.reply is None:
            self.reply = reply
            self.done.set()


@attrs.define(eq=False)
class ChannelSession:
    """Implements `BackendSession` over a message channel."""

    backend: str
    inbox: Inbox
    most_queued: int = MOST_QUEUED
    garbage: int = attrs.field(default=0, init=False)
    """Messages that could not be read or fit no call."""
    first_garbage: str = attrs.field(default="", init=False)
    _pending: dict[int, _Pending] = attrs.field(factory=dict, init=False)
    _outbox: deque[_Pending | bytes] = attrs.field(factory=deque, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _closed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _why: str = attrs.field(default="", init=False)
    _last_id: int = attrs.field(default=0, init=False)

    async def request(self, call: Call) -> Reply:
        """Send the call and wait for its answer."""
        if self._closed.is_set():
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.unavailable(self.backend, self._why))
        if len(self._outbox) >= self.most_queued:
            await trio.lowlevel.checkpoint()
            why = f"{len(self._outbox)} messages already wait for the backend to read"
            return Reply.failed(faults.overloaded(call.target, why, backend=self.backend))
        self._last_id = number = self._last_id + 1
        params, token = with_own_token(call.params, number)
        pending = _Pending(call, token, encode_request(number, call.method, params, call.extras))
        self._pending[number] = pending
        self._enqueue(pending)
        try:
            await pending.done.wait()
        finally:
            del self._pending[number]
            if pending.reply is None:
                self._give_up(number, pending)
        assert pending.reply is not None
        return pending.reply

    def _give_up(self, number: int, pending: _Pending) -> None:
        if pending.frame is not None:  # still ours: the backend never hears of it
            pending.frame = None
        elif pending.call.method != "initialize":  # which must never be cancelled (P-12)
            self.tell("notifications/cancelled", {"requestId": Raw(b"%d" % number)})

    def tell(self, method: str, params: Params) -> None:
        """Enqueue a notification."""
        if not self._closed.is_set():
            self._enqueue(encode_notification(method, params))

    async def wait_closed(self) -> str:
        """Wait until the session has ended, and say why."""
        await self._closed.wait()
        return self._why

    @property
    def in_flight(self) -> int:
        """Calls that wait for an answer."""
        return len(self._pending)

    def close(self, why: str) -> None:
        """The connection is gone: answer every pending call with a fault, and every later one."""
        if self._closed.is_set():
            return
        self._why = why
        self._closed.set()
        self._news.set()
        for pending in list(self._pending.values()):
            sent = pending.frame is None
            pending.settle(Reply.failed(faults.lost(self.backend, why, started=sent) if sent else faults.unavailable(self.backend, why)))
        self._outbox.clear()

    # -- the writer's side

    def _enqueue(self, frame: _Pending | bytes) -> None:
        self._outbox.append(frame)
        self._news.set()

    async def next_frame(self) -> bytes | None:
        """The next message to send, or None when the session has closed. One writer at a time."""
        while True:
            while self._outbox:
                entry = self._outbox.popleft()
                if isinstance(entry, bytes):
                    return entry
                if entry.frame is not None:
                    frame, entry.frame = entry.frame, None
                    entry.call.sent_at = trio.current_time()
                    entry.call.trail.sent = True
                    return frame
            if self._closed.is_set():
                return None
            self._news = trio.Event()
            await self._news.wait()

    # -- the reader's side

    def receive(self, data: bytes) -> None:
        """One message from the backend; never raises for what the backend did."""
        message = decode(data)
        if isinstance(message, Response):
            self._settle(message)
        elif isinstance(message, Notification):
            self._notice(message)
        elif isinstance(message, Request):
            self._answer(message)
        else:
            self.complain(f"{message.message}: {data[:80]!r}")

    def complain(self, what: str) -> None:
        """Count and remember something that is no usable message."""
        self.garbage += 1
        if not self.first_garbage:
            self.first_garbage = what
            log.warning("backend sent something that is no message", backend=self.backend, what=what)

    def settle_oversized(self, number: int | None, limit: int) -> bool:
        """Fail the call whose answer was too large; False if it is not known whose it was."""
        if number is None and len(self._pending) == 1:
            number = next(iter(self._pending))
        pending = self._pending.get(number) if number is not None else None
        if pending is None:
            return False
        pending.settle(Reply.failed(faults.unreadable(self.backend, f"it is larger than {limit} bytes")))
        return True

    def _settle(self, response: Response) -> None:
        key = response.key
        if isinstance(key, str) and key.isdecimal():  # some servers answer 7 with "7" (CORE-69)
            key = int(key)
        pending = self._pending.get(key) if isinstance(key, int) else None
        if pending is None or pending.reply is not None or pending.frame is not None:
            self.complain(f"an answer to id {response.key!r}, which no open call has")
            return
        pending.settle(reply_from(response, self.backend))

    def _notice(self, note: Notification) -> None:
        if note.method == "notifications/progress":
            self._progress(note)
        elif note.method == "notifications/message":
            self._log_line(note)
        else:
            self.inbox.notification(note.method, note.params)

    def _progress(self, note: Notification) -> None:
        raw = note.params.get("progressToken")
        number = int(bytes(raw)) if raw is not None and bytes(raw).isdigit() else None
        pending = self._pending.get(number) if number is not None else None
        if pending is None or pending.token is None or pending.reply is not None:
            return  # late or never asked for: nothing after completion (P-120)
        params = note.params | {"progressToken": pending.token}
        pending.call.back.note(encode_notification(note.method, params, note.extras))

    def _log_line(self, note: Notification) -> None:
        """A channel does not say which call a log line is about; it is passed on only where there is no doubt."""
        if len(self._pending) == 1:
            (pending,) = self._pending.values()
            pending.call.back.note(encode_notification(note.method, note.params, note.extras))
        else:
            self.inbox.notification(note.method, note.params)

    def _answer(self, request: Request) -> None:
        self._enqueue(answer_to_backend(request))


def answer_to_backend(request: Request) -> bytes:
    """Our answer to what a backend asks: ping is answered at each hop (P-66), anything else needs a person and is refused."""
    if request.method == "ping":
        return encode_result(request.id, b"{}")
    fault = Fault(faults.Cause.CLIENT, METHOD_NOT_FOUND, f"the gateway declared no capability for {request.method}", "cannot_ask")
    return encode_error(request.id, fault.encode())


def reply_from(response: Response, backend: str) -> Reply:
    """A backend's response as the reply of a call."""
    if response.error is not None:
        return Reply(fault=faults.backend_error(backend, response.error), extras=response.extras)
    assert response.result is not None
    return Reply(response.result, extras=response.extras)


def with_own_token(params: Params, number: int) -> tuple[Params, Raw | None]:
    """The parameters with the progress token replaced by our own, unique on the shared channel, and the caller's token (P-120)."""
    raw = params.get("_meta")
    if raw is None:
        return params, None
    meta = decode_object(raw)
    if isinstance(meta, Malformed) or "progressToken" not in meta:
        return params, None
    token = meta["progressToken"]
    return params | {"_meta": Raw(encode(meta | {"progressToken": Raw(b"%d" % number)}))}, token
