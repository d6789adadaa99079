"""One conversation over HTTP: its calls, its renewal, and when it is over (LIM-2, P-65).

Calls share nothing but the session id. So what breaks one call breaks no other, and the session ends only when a new conversation cannot
be opened or nothing listens at the address any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count

import attrs
import httpx2
import trio

from ..events import get_logger
from ..protocol import eras, faults
from ..protocol.calls import Call, Reply
from ..protocol.headers import is_session_id
from ..protocol.messages import Malformed, Params, Raw, decode_object, encode_notification, read_text
from .http_exchange import Conversation, HttpExchange
from .http_listening import Listening
from .http_notices import Notices
from .http_wire import Wire
from .incoming import doubt_lists
from .session import Inbox

__all__ = ["HttpSession"]

log = get_logger("sluicegate.backend")

RENEW_SECONDS = 30.0
"""How long a new conversation may take to open after the backend has lost the old one."""


@attrs.define(eq=False)
class HttpSession:
    """One session with one endpoint (implements `BackendSession`)."""

    backend: str
    inbox: Inbox
    wire: Wire
    nursery: trio.Nursery
    """Owned by the connector: the standing stream, notices, a new conversation."""
    _notices: Notices = attrs.field(default=attrs.Factory(lambda self: Notices(self.wire, self.nursery), takes_self=True), init=False)
    _conversation: Conversation = attrs.field(factory=Conversation, init=False)
    _hello: Params | None = attrs.field(default=None, init=False)
    """The parameters of ``initialize``, for doing it again."""
    _open: dict[int, HttpExchange] = attrs.field(factory=dict, init=False)
    """Calls on their way, oldest first."""
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1), init=False)
    _may_go: trio.Event | None = attrs.field(default=None, init=False)
    """Calls wait for it while the conversation is opened."""
    _listening: Listening | None = attrs.field(default=None, init=False)
    _refused: tuple[float, str] | None = attrs.field(default=None, init=False)
    """When a connection was refused first, and how; forgotten as soon as the backend answers anything."""
    _left: bool = attrs.field(default=False, init=False)
    _empty: trio.Event | None = attrs.field(default=None, init=False)
    """Made by who leaves while calls are on their way."""
    _closed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _why: str = attrs.field(default="", init=False)

    async def request(self, call: Call) -> Reply:
        """Send the call and wait for its answer; once more, if the backend lost the session and so did not run it."""
        if call.method == "initialize":
            return await self._initialize(call)
        for _ in range(2):
            while self._may_go is not None:
                await self._may_go.wait()
            if self._closed.is_set():
                await trio.lowlevel.checkpoint()
                return Reply.failed(faults.unavailable(self.backend, self._why))
            conversation = self._conversation
            reply = await self._exchange(HttpExchange(self.wire, self, conversation, call, next(self._numbers)))
            if reply is not None:
                return reply
            self._renew(conversation)
        return Reply.failed(faults.unavailable(self.backend, "it does not know the session that it has just opened"))

    def tell(self, method: str, params: Params) -> None:
        """Send a notification from a task of its own; never blocks."""
        if self._closed.is_set() or self._left:
            return
        if method == "notifications/initialized":
            self._may_go = trio.Event()
            self.nursery.start_soon(self._greet, encode_notification(method, params))
        else:
            self._notices.post_soon(self._conversation, encode_notification(method, params), method)

    async def wait_closed(self) -> str:
        """Wait until the session has ended, and say why."""
        await self._closed.wait()
        return self._why

    def close(self, why: str) -> None:
        """Take no more calls. Those on their way are left alone until the session is left."""
        if not self._closed.is_set():
            self._why = why.removeprefix(f"backend '{self.backend}' is not available: ")
            self._closed.set()

    async def leave(self) -> None:
        """End everything and say goodbye; the caller bounds it."""
        vanished = self._closed.is_set()
        self._left = True
        self.close("the gateway closed the session")
        if self._listening is not None:
            self._listening.scope.cancel(reason="the session is left")
        for exchange in self._open.values():
            exchange.scope.cancel(reason="the session is left")
        if self._open:
            self._empty = trio.Event()
            await self._empty.wait()
        if self._conversation.session_id and not vanished:
            answer = await self.wire.open("DELETE", self._conversation.headers)
            if isinstance(answer, httpx2.Response):
                await answer.aclose()

    async def _exchange(self, exchange: HttpExchange) -> Reply | None:
        """Run it, and tell the backend if nobody waits for it any more."""
        number, call = exchange.number, exchange.call
        answered = False
        self._open[number] = exchange
        try:
            with exchange.scope:
                reply = await exchange.run()
                answered = True
            if not answered:
                reply = Reply.failed(faults.lost(self.backend, self._why))
                answered = True
            return reply
        finally:
            del self._open[number]
            if not answered and call.method != "initialize":  # which must never be cancelled (P-12)
                self.tell("notifications/cancelled", {"requestId": Raw(b"%d" % number)})
            self._after(exchange)

    def _after(self, exchange: HttpExchange) -> None:
        """Close once a connection was refused and no call is left that was under way before."""
        if exchange.refused is not None and self._refused is None:
            self._refused = (trio.current_time(), exchange.refused.message)
        since, why = self._refused or (float("inf"), "")
        if why and all((other.call.sent_at or 0.0) >= since for other in self._open.values()):
            self.close(why)
        if not self._open and self._empty is not None:
            self._empty.set()

    def reached(self) -> None:
        """The backend answered over HTTP: it is there."""
        self._refused = None

    async def _initialize(self, call: Call) -> Reply:
        """Open a conversation; without a session id, whatever there was before."""
        if self._left:
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.unavailable(self.backend, self._why))
        exchange = HttpExchange(self.wire, self, Conversation(), call, next(self._numbers))
        reply = await self._exchange(exchange)
        assert reply is not None  # without a session there is none to forget
        if reply.fault is not None:
            return reply
        if exchange.session_id and not is_session_id(exchange.session_id):
            return Reply.failed(faults.unreadable(self.backend, "its session id is no visible ASCII"))
        members = decode_object(reply.result)
        version = "" if isinstance(members, Malformed) else read_text(members, "protocolVersion")
        self._hello = call.params
        self._conversation = Conversation(exchange.session_id, version or "")
        return reply

    async def _greet(self, frame: bytes) -> None:
        """Send ``notifications/initialized`` before anything else, then listen."""
        try:
            await self._notices.post(self._conversation, frame)
        finally:
            self._let_go()
        self._listen()

    def _let_go(self) -> None:
        if self._may_go is not None:
            self._may_go.set()
            self._may_go = None

    def _listen(self) -> None:
        conversation = self._conversation
        if self._listening is not None:
            self._listening.scope.cancel(reason="a new conversation has begun")
            self._listening = None
        if not conversation.session_id or self._left:
            return
        gone = partial(self._renew, conversation)
        self._listening = Listening(self.wire, self, self._open, conversation, gone, self._nothing_listens)
        self.nursery.start_soon(self._listening.run)

    def _renew(self, lost: Conversation) -> None:
        """Begin a new conversation, once for all calls that found the old one lost (CORE-65, P-65)."""
        if self._conversation is lost and self._may_go is None and not self._closed.is_set():
            self._may_go = trio.Event()
            self.nursery.start_soon(self._open_again)

    async def _open_again(self) -> None:
        """Shake hands anew; a failure ends the session, and the supervisor begins from the start."""
        log.info("backend has lost the session; opening a new one", backend=self.backend)
        why = f"it lost the session and did not open a new one within {RENEW_SECONDS:g} s"
        try:
            with trio.move_on_after(RENEW_SECONDS):
                why = await self._shake_hands()
            if why:
                self.close(why)
        finally:
            self._let_go()
        if not why:
            self._listen()
            doubt_lists(self)

    async def _shake_hands(self) -> str:
        """Why it failed, or nothing."""
        assert self._hello is not None
        reply = await self._initialize(Call("initialize", "initialize", self._hello))
        if reply.fault is not None:
            return f"it lost the session, and a new one failed: {reply.fault.message}"
        if self._conversation.version not in eras.LEGACY:
            return f"it lost the session, and a new one failed: it wants to speak protocol {self._conversation.version!r}"
        await self._notices.post(self._conversation, encode_notification("notifications/initialized", {}))
        return ""

    # -- what the backend says (implements `Desk`)

    def notification(self, method: str, params: Params) -> None:
        """Pass on what is about no call."""
        if not self._left:
            self.inbox.notification(method, params)

    def respond(self, frame: bytes, what: str) -> None:
        """Post our answer from a task of its own."""
        if not self._left:
            self._notices.post_soon(self._conversation, frame, what)

    def unclaimed(self, key: int | str | None) -> None:
        """An answer that belongs to no call."""
        self.complain(f"an answer to id {key!r}, which no open call has")

    def complain(self, what: str) -> None:
        """Tell of something that is no usable message."""
        log.warning("backend sent something that is no use", backend=self.backend, what=what)

    def _nothing_listens(self, why: str) -> None:
        if not self._open:
            self.close(why)
