"""The standing GET stream of one HTTP session: what a backend says of its own accord (CORE-62, P-62)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import trio

from ...http1.client.response import ClientResponse
from ...protocol.duplex import receive
from ...protocol.faults import Fault
from ...protocol.headers import EVENT_STREAM, media_type
from ...protocol.sse import EventParser, OversizedEvent
from ...protocol.tokens import NOBODY
from ...telling.loggers import get_logger
from ..doubling import doubled
from ..incoming import Desk, doubt_all, messages_in
from .post import HttpExchange
from .session_headers import Conversation
from .wire import Wire

__all__ = ["Listening"]

log = get_logger("sluicegate.backend")

SHORTEST_PAUSE, FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0, 30.0
"""Seconds before the stream is opened again: doubling from the first while it yields nothing, or what the server asks for within reason."""


@attrs.define(eq=False, repr=False)
class Listening:
    """Keeps the stream of one conversation open (implements `Requests`), until cancelled, refused, or told that the session is gone."""

    wire: Wire
    desk: Desk
    open: Mapping[int, HttpExchange]
    """The session's calls by their numbers."""
    conversation: Conversation
    on_gone: Callable[[], None]
    """The backend does not know the session any more."""
    on_refused: Callable[[Fault], None]
    """Nothing listens at the backend's address any more."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    tried: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set once the backend has said whether there is such a stream."""
    _last_id: str = attrs.field(default="", init=False)
    _was_open: bool = attrs.field(default=False, init=False)
    _silent: int = attrs.field(default=0, init=False)
    """Times in a row that the stream yielded nothing."""
    _retry: float | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Open the stream again and again."""
        with self.scope:
            while await self._listen_once():
                pause = self._pause()
                await trio.sleep(pause)

    def _pause(self) -> float:
        if self._retry is not None and self._silent <= 1:
            return min(max(self._retry, SHORTEST_PAUSE), LONGEST_PAUSE)
        return doubled(FIRST_PAUSE, max(self._silent - 1, 0), LONGEST_PAUSE)

    async def _listen_once(self) -> bool:
        """One stream from its beginning to its end; whether to try again."""
        answer = await self.wire.open(b"GET", self._lines())
        may_be_gone = self.tried.is_set()
        self.tried.set()
        self._silent += 1
        if isinstance(answer, Fault):
            if self.wire.is_refusal(answer) and self._was_open:
                self.on_refused(answer)
            return True
        try:
            return await self._read(answer, may_be_gone=may_be_gone)
        finally:
            answer.close()

    def _lines(self) -> bytes:
        if self._last_id:
            try:
                return self.conversation.resuming(self._last_id)
            except ValueError:
                self._last_id = ""  # it cannot be said in a header, so the stream begins anew
        return self.conversation.lines

    async def _read(self, answer: ClientResponse, *, may_be_gone: bool) -> bool:
        status = answer.status
        if status == 200 and media_type(answer.header(b"content-type")) == EVENT_STREAM:
            if self._was_open and not self._last_id:
                doubt_all(self.desk)  # it is back, but what was said in between is lost
            self._was_open = True
            await self._pump(answer)
            return True
        if status == 400 and self._last_id:  # it may keep nothing of what was said; without an id it speaks of the session alone
            self._last_id = ""
            return True
        if status in {400, 404, 410, 422} and may_be_gone:  # at the first try it means that there is no such stream
            self.on_gone()
            return False
        if status >= 500 or status == 429:
            return True
        level = log.debug if status == 405 else log.info
        level("backend offers no stream of its own messages", backend=self.wire.backend, status=status)
        return False

    async def _pump(self, answer: ClientResponse) -> None:
        parser = EventParser(self.wire.limit, self._last_id, self._retry)

        def take(chunk: bytes) -> None:
            for event in parser.feed(chunk):
                self._silent = 0
                if isinstance(event, OversizedEvent):
                    log.warning("backend sent an event that is too large; it is dropped", backend=self.wire.backend, limit=event.limit)
                elif event.data:
                    for message, data in messages_in(event.data, self.wire.backend):
                        receive(message, data, self.desk, self, NOBODY)
            self._last_id, self._retry = parser.last_id, parser.retry_seconds

        await self.wire.pump(answer, take)

    def waiting(self, key: int | str | None) -> None:
        """It carries no answers (P-62)."""

    def reporting(self, number: int) -> HttpExchange | None:
        """Some servers send progress on it; the token says whose it is."""
        exchange = self.open.get(number)
        return None if exchange is None else exchange.reporting(number)
