"""What is sent to a backend over HTTP without anybody waiting: notifications, and answers to its questions."""

from __future__ import annotations

from contextlib import suppress

import attrs
import trio

from ...http1.client.failures import Broken, TooLarge
from ...http1.client.response import ClientResponse
from ...telling.loggers import get_logger
from .session_headers import Conversation
from .wire import Wire

__all__ = ["Notices", "put_away"]

log = get_logger("sluicegate.backend")

POST_SECONDS = 5.0
"""How long one may take (CORE-63)."""
MOST_AT_ONCE = 256
"""How many may be on their way; one more is dropped."""

LINGER_SECONDS = 0.05
"""How long the rest of an answer may take."""
MOST_READ = 65536
"""Bytes of an answer that are read for the sake of its connection."""


@attrs.define(eq=False, repr=False)
class Notices:
    """Posts from tasks of the connector's nursery, bounded in number and in time."""

    wire: Wire
    nursery: trio.Nursery
    on_their_way: int = attrs.field(default=0, init=False)

    def post_soon(self, conversation: Conversation, frame: bytes, what: str) -> None:
        """Send it from a task of its own; never blocks."""
        if self.on_their_way >= MOST_AT_ONCE:
            log.warning("backend takes no notifications; one is dropped", backend=self.wire.backend, what=what)
            return
        self.on_their_way += 1
        self.nursery.start_soon(self._post_alone, conversation, frame)

    async def _post_alone(self, conversation: Conversation, frame: bytes) -> None:
        try:
            await self.post(conversation, frame)
        finally:
            self.on_their_way -= 1

    async def post(self, conversation: Conversation, frame: bytes) -> None:
        """Send it and wait until it is accepted; whatever else comes back is of no interest."""
        with trio.move_on_after(POST_SECONDS):
            answer = await self.wire.open(b"POST", conversation.posting, frame)
            if isinstance(answer, ClientResponse):
                await put_away(answer)


async def put_away(answer: ClientResponse) -> None:
    """Let the connection be used again if the body ends soon; many servers send none, and do not say so."""
    try:
        if not answer.complete and answer.is_framed:
            answer.hurry(LINGER_SECONDS)
            with suppress(Broken, TooLarge):
                await answer.read(MOST_READ)
    finally:
        answer.close()
