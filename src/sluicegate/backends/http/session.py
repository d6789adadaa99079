"""One conversation over HTTP: its calls, and when it is over (LIM-2).

Calls share nothing but the session id. So what breaks one call breaks no other, and the session ends only when a new conversation cannot
be opened or nothing listens at the address any more.
"""

from __future__ import annotations

import attrs
import trio

from ...http1.client.response import ClientResponse
from ...protocol import faults
from ...protocol.calls import Call, Reply
from ...protocol.duplex import CANCELLED, Duplex, Incoming
from ...protocol.eras import OPENS
from ...protocol.faults import Fault
from ...protocol.messages import Notification, Params, Raw, encode_notification
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ..questions import MOST_OPEN, OpenQuestion, Questions
from ..session import CLOSED, Inbox
from ..unasked import Unasked, tally_of
from .forgotten import Memory
from .notices import Notices
from .post import HttpExchange
from .renewal import Host, Renewal
from .session_headers import Conversation
from .wire import Wire

__all__ = ["HttpSession"]

log = get_logger("sluicegate.backend")

MOST_ANSWERS = 32
"""While so many of our own messages are on their way to a backend, what it asks beyond that is not answered."""


@attrs.define(eq=False, repr=False)
class HttpSession(Host):
    """One session with one endpoint (implements `BackendSession`, and `Host` for its renewal)."""

    backend: str
    inbox: Inbox
    wire: Wire
    nursery: trio.Nursery
    """Owned by the connector: the standing stream, notices, a new conversation."""
    duplex: Duplex[HttpExchange, OpenQuestion] = attrs.field(factory=lambda: Duplex(Incoming(MOST_OPEN)), init=False)
    """What it is asked, and the calls on their way, oldest first."""
    questions: Questions = attrs.field(init=False)
    _notices: Notices = attrs.field(init=False)
    _renewal: Renewal = attrs.field(init=False)
    _refused: tuple[float, Why] | None = attrs.field(default=None, init=False)
    """When a connection was refused first, and how; forgotten as soon as the backend answers anything."""
    _unasked: Unasked = attrs.field(init=False)
    _left: bool = attrs.field(default=False, init=False)
    _empty: trio.Event | None = attrs.field(default=None, init=False)
    """Made by who leaves while calls are on their way."""
    _closed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _why: Why = attrs.field(default=Why(""), init=False)

    def __attrs_post_init__(self) -> None:
        self._unasked = Unasked(tally_of(self.inbox))
        self._notices = Notices(self.wire, self.nursery)
        self._renewal = Renewal(self, self.wire, self._notices, self.nursery)
        self.questions = Questions(
            self.duplex.theirs, self.inbox.clientele, self._in_flight, self.respond, self._post_answer, self._pass_back
        )

    @property
    def open(self) -> dict[int, HttpExchange]:
        """Calls on their way, oldest first."""
        return self.duplex.ours.asked

    async def request(self, call: Call) -> Reply:
        """Send the call and wait for its answer; once more, if the backend lost the session and so did not run it."""
        renewal = self._renewal
        if call.method in OPENS:
            return await renewal.initialize(call)
        for _ in range(2):
            while renewal.opening is not None:
                await renewal.opening.wait()
            if self._closed.is_set():
                await trio.lowlevel.checkpoint()
                return Reply.failed(faults.unavailable(self.backend, self._why))
            conversation = renewal.conversation
            exchange = HttpExchange(self.wire, self, conversation, call, self.duplex.ours.count())
            reply = await self._exchange(exchange)
            if exchange.memory is not Memory.KNOWN:
                renewal.renew(conversation)
            if reply is not None:
                return reply
        return Reply.failed(faults.unavailable(self.backend, Why("it does not know the session that it has just opened")))

    def speak(self, version: str) -> None:
        """Say so in the headers from now on."""
        self._renewal.conversation = Conversation(version=version)

    def tell(self, method: str, params: Params) -> None:
        """Send a notification from a task of its own; never blocks."""
        if self._closed.is_set():
            return
        frame = encode_notification(method, params)
        if method == "notifications/initialized":
            self._renewal.greet(frame)
        else:
            self._notices.post_soon(self._renewal.conversation, frame, method)

    async def wait_closed(self) -> Why:
        """Wait until the session has ended, and say why."""
        await self._closed.wait()
        return self._why

    @property
    def is_open(self) -> bool:
        """Whether it takes calls."""
        return not self._closed.is_set()

    def close(self, why: Why) -> None:
        """Take no more calls. Those on their way are left alone until the session is left."""
        if not self._closed.is_set():
            self._why = why
            self._closed.set()

    async def leave(self) -> None:
        """End everything and say goodbye; the caller bounds it."""
        vanished = self._closed.is_set()
        self._left = True
        self.close(CLOSED)
        self._renewal.end()
        for ending in self.duplex.close(self._why):
            ending()
        self.wire.client.cut(self, self._why.operator)
        if self.open:
            self._empty = trio.Event()
            await self._empty.wait()
        conversation = self._renewal.conversation
        if conversation.session_id and not vanished:
            answer = await self.wire.open(b"DELETE", conversation.lines)
            if isinstance(answer, ClientResponse):
                answer.close()

    async def converse(self, conversation: Conversation, call: Call) -> tuple[Reply | None, str]:
        """The reply to a call in another conversation than the one that is alive, and the session id that came with it."""
        if self._left:
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.unavailable(self.backend, self._why)), ""
        exchange = HttpExchange(self.wire, self, conversation, call, self.duplex.ours.count())
        return await self._exchange(exchange), exchange.session_id

    async def _exchange(self, exchange: HttpExchange) -> Reply | None:
        """Run it, and tell the backend if nobody waits for it any more."""
        number, call = exchange.number, exchange.call
        answered = False
        asked = self.duplex.ours.asked
        asked[number] = exchange
        try:
            reply = await exchange.run()
            answered = True
            return reply
        finally:
            del asked[number]
            if not answered and exchange.left and call.method not in OPENS and not exchange.conversation.is_modern:
                self.tell(CANCELLED, {"requestId": Raw(b"%d" % number)})
            if self.duplex.theirs.running:
                self.questions.call_ended(exchange)
            if exchange.refused is not None or self._refused is not None or self._empty is not None:
                self._after(exchange)

    def _after(self, exchange: HttpExchange) -> None:
        """Close once a connection was refused and no call is left that was under way before."""
        if exchange.refused is not None and self._refused is None:
            self._refused = (trio.current_time(), self._within(exchange.refused))
        if self._refused is not None:
            since, why = self._refused
            if all((other.call.sent_at or 0.0) >= since for other in self.open.values()):
                self.close(why)
        if not self.open and self._empty is not None:
            self._empty.set()

    def reached(self) -> None:
        """The backend answered over HTTP: it is there."""
        self._refused = None

    def renewed(self) -> None:
        """Whoever told the backend something has to tell it again."""
        if not self._left:
            self.inbox.renewed()

    def nothing_listens(self, fault: Fault) -> None:
        """The standing stream found nobody at the backend's address."""
        if not self.open:
            self.close(self._within(fault))

    def _within(self, fault: Fault) -> Why:
        """Why, without the words that a fault of this session says again."""
        begin = f"backend '{self.backend}' is not available: "
        return Why(fault.message.removeprefix(begin), fault.told.removeprefix(begin))

    # -- what the backend says

    def notification(self, method: str, params: Params) -> None:
        """Pass on what is about no call."""
        if not self._left:
            self.inbox.notification(method, params)

    def respond(self, frame: bytes, what: str) -> None:
        """Post our answer from a task of its own, within reason."""
        if self._closed.is_set():
            return
        if (why := self._unasked.request()) is not None:
            self.close(why)
        elif self._notices.on_their_way < MOST_ANSWERS:
            self._notices.post_soon(self._renewal.conversation, frame, what)

    def _in_flight(self) -> list[HttpExchange]:
        return [exchange for exchange in self.duplex.ours.asked.values() if not exchange.is_answered]

    def _post_answer(self, frame: bytes, what: str) -> None:
        """Post a client's answer; each is waited for, and there are never many."""
        if not self._left:
            self._notices.post_soon(self._renewal.conversation, frame, what)

    def _pass_back(self, note: Notification) -> None:
        self.tell(note.method, note.params)

    def unclaimed(self, key: int | str | None) -> None:
        """An answer that belongs to no call."""
        self.complain(f"an answer to id {key!r}, which no open call has")

    def complain(self, what: str) -> None:
        """Tell of something that is no usable message."""
        if self._closed.is_set():
            return
        why = self._unasked.no_message()
        if self._unasked.garbage == 1:  # those that follow soon are counted
            log.warning("backend sent something that is no use", backend=self.backend, what=what)
        if why is not None:
            self.close(why)
