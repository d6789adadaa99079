"""What is sent over HTTP+SSE: a POST for each message, many at once, and none before what it follows from.

Requests may overtake each other. A notification, or an answer, waits until all that was sent before it has been taken: a call must not be taken
back before the server has heard of it, and ``initialized`` comes before the next request. Servers take a message at once; with one that does
not, the order is given up after a while. Some take a request when they have answered it, so its POST may last as long as its call.
"""

from __future__ import annotations

import re

import attrs
import trio

from ...http1.client.response import ClientResponse
from ...protocol.calls import Reply
from ...protocol.faults import Fault
from ...protocol.messages import Request, decode
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ...waiting.bell import Bell
from ...waiting.overdue import Overdue
from ..channel import ChannelSession
from ..http.notices import put_away
from ..http.session_headers import Conversation
from ..http.wire import Wire

__all__ = ["Posts"]

log = get_logger("sluicegate.backend")

MOST_AT_ONCE = 64
"""POSTs on their way; what comes beyond them waits in the queue, which has bounds of its own."""
ORDER_SECONDS = 5.0
"""How long what was sent before is waited for."""
POST_SECONDS = 60.0
"""How long a server may take to say that it has taken what is no request."""
OVER_SECONDS, LOOK_SECONDS = 10.0, 5.0
"""How long the POST of a request may last when its call is over, and how often that is looked at."""
REFUSAL_SECONDS = 5.0
"""How long the words of a refusal may take; the call that is refused waits for them."""

_POSTING = Conversation().posting
_OF_SESSION = re.compile(rb"session", re.IGNORECASE)
FORGOTTEN = Why("it does not know the session any more")


@attrs.define(eq=False, repr=False)
class _Post:
    number: int | None
    """Of the request; None where it is none."""
    taken: trio.Event = attrs.field(factory=trio.Event)
    until: float = float("inf")
    """When it may be cut."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


@attrs.define(eq=False, repr=False)
class Posts:
    """The messages to one session's address."""

    wire: Wire
    session: ChannelSession
    _under_way: dict[_Post, None] = attrs.field(factory=dict, init=False)
    _room: Bell = attrs.field(factory=Bell, init=False)
    """Rings when one has left."""
    _late: Overdue[_Post] = attrs.field(default=attrs.Factory(lambda self: Overdue(LOOK_SECONDS, self._look), takes_self=True), init=False)

    async def run(self) -> None:
        """Cut what takes too long, until cancelled."""
        await self._late.run()

    async def wait_for_room(self) -> None:
        """Wait until one more may be on its way; for one task."""
        while len(self._under_way) >= MOST_AT_ONCE:
            await self._room.wait()

    def begin(self, frame: bytes, nursery: trio.Nursery) -> None:
        """Send a message from a task of its own; never blocks."""
        message = decode(frame)
        number = int(bytes(message.id)) if isinstance(message, Request) else None
        post = _Post(number)
        earlier = [one for one in self._under_way if number is None or one.number is None]
        self._under_way[post] = None
        nursery.start_soon(self._send, frame, post, earlier)

    async def _send(self, frame: bytes, post: _Post, earlier: list[_Post]) -> None:
        try:
            with trio.move_on_after(ORDER_SECONDS):
                for one in earlier:
                    await one.taken.wait()
            post.until = trio.current_time() + (POST_SECONDS if post.number is None else OVER_SECONDS)
            self._late.expect(post)
            with post.scope:
                await self._post(frame, post)
        finally:
            self._late.forget(post)
            del self._under_way[post]
            post.taken.set()
            self._room.ring()

    def _look(self, post: _Post) -> None:
        """Cut it, unless its call still waits or its time is not up."""
        now = trio.current_time()
        if post.number is not None and self.session.waiting(post.number) is not None:
            post.until = now + OVER_SECONDS
        if now < post.until:
            self._late.expect(post)
            return
        post.scope.cancel(reason="the server does not say that it has taken the message")
        if post.number is None:
            self._tell(f"it has not said so within {POST_SECONDS:g} s")

    async def _post(self, frame: bytes, post: _Post) -> None:
        answer = await self.wire.open(b"POST", _POSTING, frame)
        if isinstance(answer, Fault):
            self._refused(post, answer)
        elif answer.is_success:
            post.taken.set()
            await put_away(answer)
        else:
            await self._read_refusal(answer, post)

    async def _read_refusal(self, answer: ClientResponse, post: _Post) -> None:
        body: bytes | Fault = b""
        try:
            with trio.move_on_after(REFUSAL_SECONDS):
                body = await self.wire.read(answer)
        finally:
            answer.close()
        fault = self.wire.status_fault(answer, body if isinstance(body, bytes) else b"")
        self._refused(post, fault)
        speaks_of_session = isinstance(body, bytes) and _OF_SESSION.search(body[:1000]) is not None
        if answer.status in {404, 410} or (answer.status == 400 and speaks_of_session):
            self.session.close(FORGOTTEN)

    def _refused(self, post: _Post, fault: Fault) -> None:
        """Fail the call at once: no event will come for it. Nobody waits for what is no call."""
        pending = self.session.waiting(post.number) if post.number is not None else None
        if pending is not None:
            pending.settle(Reply.failed(fault))
        elif post.number is None:
            self._tell(fault.told)

    def _tell(self, why: str) -> None:
        log.warning("backend did not take a message", backend=self.wire.backend, error=why)
