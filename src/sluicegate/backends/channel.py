"""A session over anything that carries whole messages one after the other: pipes, memory streams, WebSockets.

The transport hands what arrives to `receive` and sends what `next_frame` returns; ids, progress, cancellation and faults are known here, streams not.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from ..channel.outbox import Frame, Outbox
from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.duplex import CANCELLED, Duplex, Incoming, receive
from ..protocol.eras import OPENS
from ..protocol.messages import Notification, Params, Raw, encode_notification, encode_request
from ..protocol.tokens import NOBODY, own_key, with_own_token
from ..protocol.why import Why
from ..telling.loggers import get_logger
from .incoming import Desk, messages_in
from .questions import MOST_OPEN, OpenQuestion, Questions
from .session import Inbox
from .unasked import Unasked, tally_of

__all__ = ["ChannelSession"]

log = get_logger("sluicegate.backend")

LATE_SECONDS = 60.0
"""For so long the answer to a call that was cancelled may still come."""


@attrs.define(eq=False, repr=False)
class _Pending:
    """A call that was handed over (implements `Waiting`, and `Asked`)."""

    backend: str
    call: Call
    token: Raw | None
    """The caller's own progress token."""
    frame: Frame
    done: trio.Event = attrs.field(factory=trio.Event)
    reply: Reply | None = None

    def settle(self, reply: Reply) -> None:
        if self.reply is None:
            self.reply = reply
            self.done.set()

    def lose(self, why: Why) -> None:
        """The connection is gone."""
        sent = self.frame.left
        self.settle(Reply.failed(faults.lost(self.backend, why, started=sent) if sent else faults.unavailable(self.backend, why)))


@attrs.define(eq=False, repr=False)
class ChannelSession(Desk):
    """Implements `BackendSession` over a message channel."""

    backend: str
    inbox: Inbox
    outbox: Outbox = attrs.field(factory=Outbox)
    pid: int | None = None
    """The process at the other end, where there is one."""
    framed: Callable[[bytes], bytes] = bytes
    """Puts a message into the form in which it travels."""
    garbage: int = attrs.field(default=0, init=False)
    """Messages that could not be read or fit no call."""
    first_garbage: str = attrs.field(default="", init=False)
    duplex: Duplex[_Pending, OpenQuestion] = attrs.field(factory=lambda: Duplex(Incoming(MOST_OPEN)), init=False)
    """What it is asked, and what it asks."""
    questions: Questions = attrs.field(init=False)
    _unasked: Unasked = attrs.field(init=False)
    _gave_up_at: float = attrs.field(default=float("-inf"), init=False)
    """When a call was cancelled last whose answer may still come."""
    _closed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._unasked = Unasked(tally_of(self.inbox))
        ways = self._in_flight, self.respond, self._send_answer, self._pass_back
        self.questions = Questions(self.duplex.theirs, self.inbox.clientele, *ways)

    async def request(self, call: Call) -> Reply:
        """Send the call and wait for its answer."""
        if self._closed.is_set():
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.unavailable(self.backend, self._why))
        if self.outbox.is_full:
            await trio.lowlevel.checkpoint()
            why = f"{len(self.outbox)} messages already wait for the backend to read"
            return Reply.failed(faults.overloaded(call.target, why, backend=self.backend))
        ours = self.duplex.ours
        number = ours.count()
        params, token = with_own_token(call.params, number) if "_meta" in call.params else (call.params, None)
        pending = _Pending(self.backend, call, token, Frame(self.framed(encode_request(number, call.method, params)), call))
        ours.asked[number] = pending
        self.outbox.put(pending.frame)
        try:
            await pending.done.wait()
        finally:
            del ours.asked[number]
            if pending.reply is None:
                self._give_up(number, pending)
            if self.duplex.theirs.running:
                self.questions.call_ended(pending)
        assert pending.reply is not None
        return pending.reply

    def _give_up(self, number: int, pending: _Pending) -> None:
        if not pending.frame.left:  # still ours: the backend never hears of it
            self.outbox.take_back(pending.frame)
            return
        self.duplex.ours.give_up(number)
        self._gave_up_at = trio.current_time()
        if pending.call.method not in OPENS:
            self.tell(CANCELLED, {"requestId": Raw(b"%d" % number)})

    def speak(self, version: str) -> None:
        """What travels looks the same in every revision."""

    def tell(self, method: str, params: Params) -> None:
        """Enqueue a notification; one more than a full house can hold is dropped, with a warning."""
        if not self._closed.is_set():
            self._send(self.framed(encode_notification(method, params)), method)

    async def wait_closed(self) -> Why:
        """Wait until the session has ended, and say why."""
        await self._closed.wait()
        return self._why

    @property
    def _why(self) -> Why:
        return self.duplex.why or Why("")

    @property
    def is_open(self) -> bool:
        """Whether the other end is there, as far as is known."""
        return not self._closed.is_set()

    @property
    def in_flight(self) -> int:
        """Calls that wait for an answer."""
        return len(self.duplex.ours.asked)

    def close(self, given: Why | str) -> None:
        """The connection is gone: answer every pending call with a fault, and every later one. Plain text is for the operator alone."""
        if self._closed.is_set():
            return
        self._closed.set()
        for ending in self.duplex.close(Why.of(given)):
            ending()
        self.outbox.close()

    # -- the writer's side

    async def next_frame(self) -> bytes | None:
        """The next message to send, or None when the session has closed. One writer at a time."""
        return await self.outbox.next_frame()

    # -- the reader's side

    def receive(self, data: bytes, about: int = NOBODY) -> None:
        """One message from the backend, or a batch of them; never raises for what the backend did.

        Args:
            data: the message.
            about: the number of the call that the transport itself says it is about; a pipe says none.
        """
        if not self._closed.is_set():
            for message, raw in messages_in(data, self.backend):
                receive(message, raw, self, self, about)

    def notification(self, method: str, params: Params) -> None:
        """Pass on what is about no call."""
        self.inbox.notification(method, params)

    def _in_flight(self) -> list[_Pending]:
        return [one for one in self.duplex.ours.asked.values() if one.reply is None and one.frame.left]

    def _send_answer(self, frame: bytes, what: str) -> None:
        """Pass a client's answer on; each is waited for, and there are never many."""
        if self.is_open:
            self._send(self.framed(frame), what)

    def _pass_back(self, note: Notification) -> None:
        self.tell(note.method, note.params)

    def respond(self, frame: bytes, what: str) -> None:
        """Answer what the backend asks, within reason."""
        self.heard_below(self.framed(frame), what)

    def heard_below(self, answer: bytes, what: str) -> None:
        """The backend has asked the transport itself, as with a ping of a WebSocket; ``answer`` is in its form, and may be empty."""
        if self._closed.is_set():
            return
        if answer:
            self._send(answer, what)
        if (why := self._unasked.request()) is not None:
            self.close(why)

    def _send(self, frame: bytes, what: str) -> None:
        """What nobody waits for must not pile up in front of a backend that does not read, and calls leave it some room."""
        if not self.outbox.is_bursting:
            self.outbox.put(Frame(frame))
        else:
            log.warning("backend does not read; a message to it is dropped", backend=self.backend, what=what)

    def unclaimed(self, key: int | str | None) -> None:
        """An answer to no open call; no surprise if it was on its way while we cancelled."""
        if not self.duplex.ours.was_given_up(key):
            self.complain(f"an answer to id {key!r}, which no open call has")

    def complain(self, what: str) -> None:
        """Count and remember something that is no usable message."""
        self.garbage += 1
        if not self.first_garbage:
            self.first_garbage = what
            log.warning("backend sent something that is no message", backend=self.backend, what=what)
        if (why := self._unasked.no_message()) is not None:
            self.close(why)

    def refuse(self, key: int | str | None, why: Why | str) -> None:
        """Fail the call with this id, if there is one: nothing usable will come for it."""
        if (pending := self.waiting(key)) is not None:
            pending.settle(Reply.failed(faults.unreadable(self.backend, why)))

    def settle_oversized(self, number: int | None, limit: int) -> bool:
        """Fail the call whose answer was too large; False if it is not known whose it was.

        One that is alone is not known to be meant while others, which were cancelled of late, may still be answered. Most servers do not.
        """
        ours = self.duplex.ours
        sent = [key for key in ours.asked if self.waiting(key) is not None]
        likely = [key for key in sent if ours.asked[key].call.method != "ping"] or sent  # no answer to a ping is large
        is_late = ours.expects_late and trio.current_time() < self._gave_up_at + LATE_SECONDS
        if number is None and len(likely) == 1 and not is_late:
            number = likely[0]
        self.refuse(number, Why(f"it is larger than {limit} bytes"))
        return number in sent

    def waiting(self, key: int | str | None) -> _Pending | None:
        """The call that was sent under this id and has no answer yet (implements `Requests`)."""
        return self.reporting(key if isinstance(key, int) else own_key(key))

    def reporting(self, number: int) -> _Pending | None:
        """The same, by our own number."""
        pending = self.duplex.ours.asked.get(number)
        return pending if pending is not None and pending.reply is None and pending.frame.left else None
