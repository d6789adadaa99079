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
from ..protocol.batches import decode_batch, is_batch
from ..protocol.calls import Call, Reply
from ..protocol.messages import (
    Malformed,
    Message,
    Notification,
    Params,
    Raw,
    Request,
    Response,
    decode,
    encode_notification,
    encode_request,
)
from .mapping import answer_key, answer_to_backend, own_key, own_number, reply_from, with_own_token
from .outbox import Letter, Outbox
from .session import Inbox

__all__ = ["ChannelSession", "answer_to_backend", "reply_from", "with_own_token"]

log = get_logger("sluicegate.backend")

MOST_LATE = 256
"""Calls whose answers may still come after they were cancelled, and are no surprise then."""


@attrs.define(eq=False)
class _Pending:
    call: Call
    token: Raw | None
    """The caller's own progress token."""
    letter: Letter
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
    outbox: Outbox = attrs.field(factory=Outbox)
    pid: int | None = None
    """The process at the other end, where there is one."""
    garbage: int = attrs.field(default=0, init=False)
    """Messages that could not be read or fit no call."""
    first_garbage: str = attrs.field(default="", init=False)
    _pending: dict[int, _Pending] = attrs.field(factory=dict, init=False)
    _late: deque[int] = attrs.field(factory=lambda: deque(maxlen=MOST_LATE), init=False)
    _closed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _why: str = attrs.field(default="", init=False)
    _last_id: int = attrs.field(default=0, init=False)

    async def request(self, call: Call) -> Reply:
        """Send the call and wait for its answer."""
        if self._closed.is_set():
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.unavailable(self.backend, self._why))
        if self.outbox.is_full:
            await trio.lowlevel.checkpoint()
            why = f"{len(self.outbox)} messages already wait for the backend to read"
            return Reply.failed(faults.overloaded(call.target, why, backend=self.backend))
        self._last_id = number = self._last_id + 1
        params, token = with_own_token(call.params, number)
        pending = _Pending(call, token, Letter(encode_request(number, call.method, params, call.extras), call))
        self._pending[number] = pending
        self.outbox.put(pending.letter)
        try:
            await pending.done.wait()
        finally:
            del self._pending[number]
            if pending.reply is None:
                self._give_up(number, pending)
        assert pending.reply is not None
        return pending.reply

    def _give_up(self, number: int, pending: _Pending) -> None:
        if not pending.letter.left:  # still ours: the backend never hears of it
            self.outbox.take_back(pending.letter)
            return
        self._late.append(number)
        if pending.call.method != "initialize":  # which must never be cancelled (P-12)
            self.tell("notifications/cancelled", {"requestId": Raw(b"%d" % number)})

    def tell(self, method: str, params: Params) -> None:
        """Enqueue a notification; one more than a full house can hold is dropped, with a warning."""
        if not self._closed.is_set():
            self._put_or_drop(encode_notification(method, params), method)

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
        for pending in list(self._pending.values()):
            sent = pending.letter.left
            pending.settle(Reply.failed(faults.lost(self.backend, why, started=sent) if sent else faults.unavailable(self.backend, why)))
        self.outbox.close()

    # -- the writer's side

    def _put_or_drop(self, frame: bytes, what: str) -> None:
        """What nobody waits for must not pile up in front of a backend that does not read; calls leave it some room."""
        if not self.outbox.is_bursting:
            self.outbox.put(Letter(frame))
        else:
            log.warning("backend does not read; a message to it is dropped", backend=self.backend, what=what)

    async def next_frame(self) -> bytes | None:
        """The next message to send, or None when the session has closed. One writer at a time."""
        return await self.outbox.next_frame()

    # -- the reader's side

    def receive(self, data: bytes) -> None:
        """One message from the backend, or a batch of them; never raises for what the backend did."""
        message = decode(data)
        members = decode_batch(data) if isinstance(message, Malformed) and is_batch(data) else None
        if not isinstance(members, list):
            self._dispatch(message, data)
            return
        for member in members:  # 2025-03-26 lets a backend send those (P-22)
            self._dispatch(decode(bytes(member)), member)

    def _dispatch(self, message: Message, data: bytes | Raw) -> None:
        if isinstance(message, Response):
            self._settle(message)
        elif isinstance(message, Notification):
            self._notice(message)
        elif isinstance(message, Request):
            self._put_or_drop(answer_to_backend(message), f"the answer to {message.method}")
        else:
            self.refuse(answer_key(data), message.message)
            self.complain(f"{message.message}: {bytes(data)[:80]!r}")

    def complain(self, what: str) -> None:
        """Count and remember something that is no usable message."""
        self.garbage += 1
        if not self.first_garbage:
            self.first_garbage = what
            log.warning("backend sent something that is no message", backend=self.backend, what=what)

    def refuse(self, key: int | str | None, why: str) -> None:
        """Fail the call with this id, if there is one: nothing usable will come for it."""
        if (pending := self._waiting(key)) is not None:
            pending.settle(Reply.failed(faults.unreadable(self.backend, why)))

    def settle_oversized(self, number: int | None, limit: int) -> bool:
        """Fail the call whose answer was too large; False if it is not known whose it was."""
        sent = [key for key in self._pending if self._waiting(key) is not None]
        if number is None and len(sent) == 1:
            number = sent[0]
        self.refuse(number, f"it is larger than {limit} bytes")
        return number in sent

    def _settle(self, response: Response) -> None:
        if (pending := self._waiting(response.key)) is not None:
            pending.settle(reply_from(response, self.backend))
        elif (number := own_key(response.key)) in self._late:  # it was answering while we cancelled
            self._late.remove(number)
        else:
            self.complain(f"an answer to id {response.key!r}, which no open call has")

    def _waiting(self, key: int | str | None) -> _Pending | None:
        """The call that was sent under this id and has no answer yet."""
        pending = self._pending.get(own_key(key))
        return pending if pending is not None and pending.reply is None and pending.letter.left else None

    def _notice(self, note: Notification) -> None:
        if note.method == "notifications/progress":
            self._progress(note)
        elif note.method == "notifications/message":
            self._log_line(note)
        else:
            self.inbox.notification(note.method, note.params)

    def _progress(self, note: Notification) -> None:
        pending = self._waiting(own_number(bytes(note.params.get("progressToken", b""))))
        if pending is None or pending.token is None:
            return  # late or never asked for: nothing after completion (P-120)
        params = note.params | {"progressToken": pending.token}
        pending.call.back.note(encode_notification(note.method, params, note.extras))

    def _log_line(self, note: Notification) -> None:
        """A channel does not say which call a log line is about; it is passed on only where there is no doubt."""
        if len(self._pending) == 1:
            pending = next(iter(self._pending.values()))
            pending.call.back.note(encode_notification(note.method, note.params, note.extras))
        else:
            self.inbox.notification(note.method, note.params)
