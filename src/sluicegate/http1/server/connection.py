"""One connection: a task that reads a little ahead, and sees at once when the client goes; a task that answers; one deadline that moves."""

from __future__ import annotations

from contextlib import suppress

import attrs
import trio

from ...waiting.bell import Bell
from ..fair_turns import FairTurns
from ..sockets import MOST_READ, is_readable
from ..timekeeper import NEVER
from .cycle import Cycle
from .forwarded import PeerAddress
from .outgoing import MessageSender
from .plain_answers import BODY_TOO_SLOW, BUG, HEAD_TOO_SLOW, plain_answer
from .request_parser import Refusal, RequestParser, ServerRequest
from .response_writer import ResponseWriter
from .shared import Serving

__all__ = ["ServerConnection"]

IDLE, HEAD, BUSY, SKIPPING, LINGERING = range(5)
"""What the next bytes are for: nothing yet, a head, an application, a body that nobody wants, and nothing any more."""
MOST_DROPPED = 512 * 1024
"""Bytes that are read and dropped before a connection closes."""
FRESH_SECONDS = 0.5
"""Who has just connected is about to ask for something."""
MOST_FORMER = 16
"""Applications of one connection that go on after their responses, while later requests are answered."""


@attrs.define(eq=False, repr=False)
class ServerConnection:
    """Answers one request after the other (implements `Timed`: the deadline is for what is to be read)."""

    serving: Serving
    stream: trio.abc.Stream
    peer: PeerAddress
    parser: RequestParser = attrs.field(init=False)
    out: MessageSender = attrs.field(init=False)
    gone: bool = attrs.field(default=False, init=False)
    """The client has gone. One that has only ended its own side counts as gone, too."""
    expires_at: float = attrs.field(default=NEVER, init=False)
    looked_at: float = attrs.field(default=NEVER, init=False)
    _phase: int = attrs.field(default=BUSY, init=False)
    _over: bool = attrs.field(default=False, init=False)
    _refusal: Refusal | None = attrs.field(default=None, init=False)
    _cycle: Cycle | None = attrs.field(default=None, init=False)
    _former: list[Cycle] = attrs.field(factory=list, init=False)
    _bell: Bell = attrs.field(factory=Bell, init=False)  # wakes the task that answers
    _room: Bell = attrs.field(factory=Bell, init=False)  # wakes the task that reads
    _fresh_until: float = attrs.field(init=False)
    """Until then its first request is waited for, though the server ends."""
    _dropped: int = attrs.field(default=0, init=False)
    _has_news: bool = attrs.field(default=False, init=False)  # something was read that waits for its turn
    _tasks: trio.Nursery = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.parser = RequestParser(self.serving.settings.head, self.serving.heads)
        self.out = MessageSender(self.stream, self.serving.settings, self.serving.timekeeper)

    async def run(self) -> None:
        """Carry it to its end. Applications are not cancelled when their client goes, so this may take longer than the stream lives."""
        self._fresh_until = trio.current_time() + FRESH_SECONDS
        try:
            async with trio.open_nursery() as self._tasks:
                self._tasks.start_soon(self._read)
                await self._answer()
        finally:
            self.serving.timekeeper.forget(self)
            self.serving.timekeeper.forget(self.out)
            self.parser.close()

    @property
    def may_stay(self) -> bool:
        """Whether another answer may follow the one that is being made. What has come already is answered in any case."""
        return bool(self.parser.requests) or not (self._over or self.serving.closing)

    def end_if_idle(self) -> bool:
        """Close it if it waits for a request of which nothing has come; whether it did."""
        if self._phase is not IDLE or not self.parser.is_idle or self.parser.requests or self._over or self._has_news:
            return False
        self._over = not self.serving.closing or trio.current_time() >= self._fresh_until
        self._bell.ring()
        return True

    async def expire(self) -> None:
        """What was to come by now has not come."""
        if self._phase is BUSY:
            if (cycle := self._cycle) is not None and not cycle.request.body and not cycle.request.complete:
                cycle.give_up(BODY_TOO_SLOW)
        elif self._phase > HEAD or not self.parser.requests:
            self._over = True
            self._refusal = HEAD_TOO_SLOW if self._phase is HEAD else None
            self._bell.ring()
        await trio.lowlevel.checkpoint()

    async def _read(self) -> None:
        turns: FairTurns | None = self.serving.newcomers
        turn = self.serving.newcomers.turn  # in which it was accepted, if nobody else came since
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while self._dropped <= MOST_DROPPED:
                if self._is_full():
                    await self._room.wait()
                if not (data := await self.stream.receive_some()):
                    break
                if turns is not None and not turns.enter(turn):
                    self._has_news = True
                    await turns.wait()
                    self._has_news = False
                turns, turn = None if len(data) < MOST_READ else self.serving.pieces, 0
                if self._phase is LINGERING:
                    self._dropped += len(data)
                else:
                    self.parser.feed(data)
                    self._hear()
                del data  # it would be held until the next comes, which on a stream is never
        self.gone = True
        self._bell.ring()
        for cycle in filter(None, (*self._former, self._cycle)):
            cycle.lose()

    def _is_full(self) -> bool:
        current = None if self._cycle is None else self._cycle.request
        return self._phase is not LINGERING and self.parser.has_enough(current, self.serving.settings.read_ahead)

    def make_room(self) -> None:
        """Something was taken: read on."""
        if self._room.waiter is not None:
            self.parser.feed(b"")
            if not self._is_full():
                self._room.ring()

    def _hear(self) -> None:
        """Tell whomever it concerns what has come."""
        parser, cycle = self.parser, self._cycle
        if cycle is not None:
            if parser.failed_request is cycle.request and parser.failure is not None:
                cycle.give_up(parser.failure)
            cycle.hear()
            self.hand_over(cycle.response)
        elif self._phase > HEAD or parser.requests or parser.failure is not None or (parser.is_idle and not self.may_stay):
            self._bell.ring()
        elif self._phase is IDLE and not parser.is_idle:
            self._phase = HEAD
            self._expire_in(self.serving.settings.head_seconds)

    def _expire_in(self, seconds: float) -> None:
        self.expires_at = trio.current_time() + seconds
        if self.expires_at < self.looked_at:
            self.serving.timekeeper.watch(self, self.expires_at)

    async def _answer(self) -> None:
        """Answer requests in their order, until the connection ends or another task takes over."""
        is_mine = True
        try:
            while is_mine and (request := await self._next()) is not None:
                cycle = self._cycle = Cycle(self, request, ResponseWriter(request, self.serving.date))
                await cycle.run()
                is_mine = self._cycle is cycle
                if not is_mine:
                    self._former.remove(cycle)
                    return
                self._cycle = None
                if not await self._settle(cycle):
                    return
            await self._refuse(self._refusal or self.parser.failure)
        finally:
            if is_mine:
                self._room.ring()
                await trio.aclose_forcefully(self.stream)

    async def _next(self) -> ServerRequest | None:
        """The next request; None if there will be none."""
        parser, settings = self.parser, self.serving.settings
        if parser.requests:
            await trio.lowlevel.checkpoint()
        while not parser.requests:
            is_idle = parser.is_idle
            if self._is_at_end(is_idle=is_idle):
                return None
            self._phase = IDLE if is_idle else HEAD
            self._expire_in(settings.head_seconds if not is_idle else FRESH_SECONDS if self.serving.closing else settings.idle_seconds)
            await self._bell.wait()
        self._phase, self.expires_at, self._fresh_until = BUSY, NEVER, 0.0
        request = parser.requests.pop(0)
        self.make_room()
        return None if request is parser.failed_request or (self.gone and not request.complete) else request

    def _is_at_end(self, *, is_idle: bool) -> bool:
        """Whether no request is to be waited for. One that has come this far is read, though the connection is to end."""
        if self.gone or self._refusal is not None or self.parser.failure is not None:
            return True
        is_ending = self._over or (self.serving.closing and trio.current_time() >= self._fresh_until)
        return is_ending and is_idle and not (self._has_news or is_readable(self.stream))

    def hand_over(self, response: ResponseWriter) -> None:
        """Let another task go on with the next request, if the current one has its response and only its application is still at work."""
        if (cycle := self._cycle) is None or cycle.response is not response or not response.finished or self.out.torn:
            return  # it is still on its way
        if response.keep_alive and len(self._former) < MOST_FORMER and self.parser.requests:
            self._cycle = None
            self._former.append(cycle)
            self._tasks.start_soon(self._answer)

    async def _settle(self, cycle: Cycle) -> bool:
        """Whether there may be another response after this one; if not, all that was to be said is said."""
        request, parser = cycle.request, self.parser
        if self.gone:
            return not (cycle.hung_up or self.out.given_up)  # what else it has asked for would be made for nobody
        if not (cycle.hung_up or self.out.torn or cycle.response.head_made):
            await self._refuse(cycle.failure or BUG)
        if cycle.hung_up or self.out.torn or not cycle.response.finished:
            return False  # a client whose answer is not complete sees that something is missing
        if cycle.response.keep_alive:
            return request.complete or await self._skip_body(request)
        if not (request.complete and parser.is_idle and not parser.requests) or is_readable(self.stream):
            await self._linger()
        return False

    async def _skip_body(self, request: ServerRequest) -> bool:
        """Drop what the application did not want; whether its end came in time."""
        self._phase = SKIPPING
        self._expire_in(self.serving.settings.linger_seconds)
        while not (request.complete or self.gone or self._over or self.parser.failure):
            request.take()
            self.make_room()
            await self._bell.wait()
        return request.complete

    async def _refuse(self, refusal: Refusal | None) -> None:
        """Say why there is no answer, as the last thing on this connection."""
        if refusal is None or self.gone:
            return
        if refusal is not BUG:
            self.serving.settings.on_refused(refusal.status, refusal.reason)
        with suppress(OSError):
            await self.out.send(plain_answer(refusal, self.serving.date()))
            await self._linger()

    async def _linger(self) -> None:
        """End our side, then read and drop for a while: closing with unread bytes would reset the connection, and cost the client the answer."""
        self._phase, self._over = LINGERING, False
        self.make_room()
        await self.out.end()
        self._expire_in(self.serving.settings.linger_seconds)
        while not (self.gone or self._over or self.out.torn):
            await self._bell.wait()
