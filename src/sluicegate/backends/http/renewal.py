"""How a session's conversation begins, and begins anew when the backend has lost it (CORE-65, P-65)."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from functools import partial

import attrs
import trio

from ...protocol import eras, faults
from ...protocol.calls import Call, Reply
from ...protocol.eras import HANDSHAKE
from ...protocol.faults import Fault
from ...protocol.headers import is_session_id
from ...protocol.messages import EMPTY, Malformed, Params, decode_object, encode_notification, read_text
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ..incoming import doubt_all
from .notices import Notices
from .post import HttpExchange, PostingSession
from .session_headers import Conversation
from .standing_stream import Listening
from .wire import Wire

__all__ = ["Host", "Renewal"]

log = get_logger("sluicegate.backend")

FAILED = "it lost the session, and a new one failed"
RENEW_SECONDS = 30.0
"""How long a new conversation may take to open after the backend has lost the old one."""
STREAM_SECONDS = 0.5
"""How long calls wait at most for the standing stream, where their client can be asked."""
MOST_LOSSES, LOSSES_SECONDS = 10, 60.0
"""More sessions lost within that time are no accident, and each costs a handshake and a reading of all lists."""


class Host(PostingSession):
    """What it needs of its session."""

    __slots__ = ()

    @property
    @abstractmethod
    def open(self) -> dict[int, HttpExchange]:
        """Calls on their way."""

    @abstractmethod
    async def converse(self, conversation: Conversation, call: Call) -> tuple[Reply | None, str]:
        """The reply to a call, None if the backend does not know the session; and the session id that it issued."""

    @abstractmethod
    def close(self, why: Why) -> None:
        """It is over."""

    @abstractmethod
    def renewed(self) -> None:
        """A conversation has taken the place of one that the backend has lost."""

    @abstractmethod
    def nothing_listens(self, fault: Fault) -> None:
        """No connection comes about any more."""


@attrs.define(eq=False, repr=False)
class Renewal:
    """The conversations of one session, one after the other."""

    host: Host
    wire: Wire
    notices: Notices
    nursery: trio.Nursery
    conversation: Conversation = attrs.field(factory=Conversation, init=False)
    """The one that is alive."""
    opening: trio.Event | None = attrs.field(default=None, init=False)
    """Calls wait for it while a conversation is opened."""
    _hello: Params | None = attrs.field(default=None, init=False)
    """The parameters of ``initialize``, for doing it again."""
    _listening: Listening | None = attrs.field(default=None, init=False)
    _losses: deque[float] = attrs.field(factory=lambda: deque(maxlen=MOST_LOSSES), init=False)
    """When it lost the last ones."""
    _over: bool = attrs.field(default=False, init=False)

    async def initialize(self, call: Call) -> Reply:
        """Open a conversation; without a session id, whatever there was before."""
        reply, session_id = await self.host.converse(Conversation(), call)
        assert reply is not None  # without a session there is none to forget
        if reply.fault is not None:
            return reply
        if session_id and not is_session_id(session_id):
            return Reply.failed(faults.unreadable(self.wire.backend, Why("its session id is no visible ASCII")))
        members = decode_object(reply.result)
        version = "" if isinstance(members, Malformed) else read_text(members, "protocolVersion")
        self._hello = call.params
        self.conversation = Conversation(session_id, version or "")
        return reply

    def greet(self, frame: bytes) -> None:
        """Send ``notifications/initialized`` before anything else, then listen; never blocks."""
        self.opening = trio.Event()
        self.nursery.start_soon(self._greet, frame)

    async def _greet(self, frame: bytes) -> None:
        try:
            await self.notices.post(self.conversation, frame)
            listening = self._listen()
            if (
                listening is not None and self._may_be_asked
            ):  # on it, maybe: there are servers that ask nowhere else, and drop what finds no stream
                with trio.move_on_after(STREAM_SECONDS):
                    await listening.tried.wait()
        finally:
            self._let_go()

    @property
    def _may_be_asked(self) -> bool:
        return self._hello is not None and bytes(self._hello.get("capabilities", EMPTY)) != bytes(EMPTY)

    def renew(self, lost: Conversation) -> None:
        """Begin a new conversation, once for all calls that found the old one lost."""
        if self.conversation is not lost or self.opening is not None or self._over:
            return
        now = trio.current_time()
        if len(self._losses) == MOST_LOSSES and now - self._losses[0] < LOSSES_SECONDS:
            lost_all = f"it lost {MOST_LOSSES} sessions within {LOSSES_SECONDS:g} s"
            self.host.close(Why(f"{lost_all}; if several copies of it share one address, they have to share their sessions, too"))
            return
        self._losses.append(now)
        self.opening = trio.Event()
        self.nursery.start_soon(self._open_again)

    def end(self) -> None:
        """Begin no more of them, and listen no more."""
        self._over = True
        if self._listening is not None:
            self._listening.scope.cancel(reason="the session is left")

    async def _open_again(self) -> None:
        """Shake hands anew; a failure ends the session, and the supervisor begins from the start."""
        log.info("backend has lost the session; opening a new one", backend=self.wire.backend)
        why: Why | None = Why(f"it lost the session and did not open a new one within {RENEW_SECONDS:g} s")
        try:
            with trio.move_on_after(RENEW_SECONDS):
                why = await self._shake_hands()
            if why is not None:
                self.host.close(why)
        finally:
            self._let_go()
        if why is None:
            self._listen()
            self.host.renewed()
            doubt_all(self.host)

    async def _shake_hands(self) -> Why | None:
        """Why it failed, or None."""
        assert self._hello is not None
        reply = await self.initialize(Call(HANDSHAKE, HANDSHAKE, self._hello))
        if reply.fault is not None:
            return reply.fault.why.after(FAILED)
        if self.conversation.version not in eras.LEGACY:
            return Why("it wants to speak another protocol", f"it wants to speak protocol {self.conversation.version!r}").after(FAILED)
        await self.notices.post(self.conversation, encode_notification("notifications/initialized", {}))
        return None

    def _let_go(self) -> None:
        if self.opening is not None:
            self.opening.set()
            self.opening = None

    def _listen(self) -> Listening | None:
        conversation = self.conversation
        if self._listening is not None:
            self._listening.scope.cancel(reason="a new conversation has begun")
        if not conversation.session_id or self._over:
            return None
        gone = partial(self.renew, conversation)
        self._listening = Listening(self.wire, self.host, self.host.open, conversation, gone, self.host.nothing_listens)
        self.nursery.start_soon(self._listening.run)
        return self._listening
