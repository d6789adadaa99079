"""What is sent to a backend over HTTP without anybody waiting: notifications, and answers to its questions."""

from __future__ import annotations

import attrs
import httpx2
import trio

from ..events import get_logger
from ..protocol.headers import JSON
from .http_exchange import Conversation
from .http_wire import Wire

__all__ = ["Notices"]

log = get_logger("sluicegate.backend")

POST_SECONDS = 5.0
"""How long one may take (CORE-63)."""
MOST_AT_ONCE = 256
"""How many may be on their way; one more is dropped."""


@attrs.define(eq=False)
class Notices:
    """Posts from tasks of the connector's nursery, bounded in number and in time."""

    wire: Wire
    nursery: trio.Nursery
    _count: int = attrs.field(default=0, init=False)

    def post_soon(self, conversation: Conversation, frame: bytes, what: str) -> None:
        """Send it from a task of its own; never blocks."""
        if self._count >= MOST_AT_ONCE:
            log.warning("backend takes no notifications; one is dropped", backend=self.wire.backend, what=what)
            return
        self._count += 1
        self.nursery.start_soon(self._post_alone, conversation, frame)

    async def _post_alone(self, conversation: Conversation, frame: bytes) -> None:
        try:
            await self.post(conversation, frame)
        finally:
            self._count -= 1

    async def post(self, conversation: Conversation, frame: bytes) -> None:
        """Send it and wait until it is accepted; whatever else comes back is of no interest."""
        with trio.move_on_after(POST_SECONDS):
            answer = await self.wire.open("POST", conversation.headers | {"content-type": JSON}, frame)
            if isinstance(answer, httpx2.Response):
                try:
                    await self.wire.pump(answer, lambda _: 0.0)
                finally:
                    await answer.aclose()
