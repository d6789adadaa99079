"""What is sent over HTTP+SSE: a POST for each message, many at once, and none before what it follows from.

Requests may overtake each other. A notification, or an answer, waits until all that was sent before it has been taken: a call must not be taken
back before the server has heard of it, and ``initialized`` comes before the next request. Servers take a message at once; with one that does
not, the order is given up after a while.
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
"""How long a server may take to say that it has taken a message."""

_POSTING = Conversation().posting
_OF_SESSION = re.compile(rb"session", re.IGNORECASE)
FORGOTTEN = Why("it does not know the session any more")


@attrs.define(eq=False)
class _Post:
    number: int | None
    """Of the request; None where it is none."""
    taken: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Posts:
    """The messages to one session's address."""

    wire: Wire
    session: ChannelSession
    _under_way: dict[_Post, None] = attrs.field(factory=dict, init=False)

    async def wait_for_room(self) -> None:
        """Wait until one more may be on its way."""
        while len(self._under_way) >= MOST_AT_ONCE:
            await next(iter(self._under_way)).taken.wait()

    def begin(self, frame: bytes, nursery: trio.Nursery) -> None:
        """Send a message from a task of its own; never blocks."""
        message = decode(frame)
        post = _Post(int(bytes(message.id)) if isinstance(message, Request) else None)
        earlier = [one for one in self._under_way if post.number is None or one.number is None]
        self._under_way[post] = None
        nursery.start_soon(self._send, frame, post, earlier)

    async def _send(self, frame: bytes, post: _Post, earlier: list[_Post]) -> None:
        try:
            with trio.move_on_after(ORDER_SECONDS):
                for one in earlier:
                    await one.taken.wait()
            with trio.move_on_after(POST_SECONDS):
                await self._post(frame, post)
        finally:
            del self._under_way[post]
            post.taken.set()

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
        try:
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
            log.warning("backend did not take a message", backend=self.wire.backend, error=fault.told)
