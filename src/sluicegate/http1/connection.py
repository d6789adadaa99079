"""One connection of a client: a task that reads, a task that answers, and one deadline that moves.

The reader parses ahead a little and sees at once when the client goes, also while an application is at work. What both tasks wait for is one
event each, made when they begin to wait.
"""

from __future__ import annotations

from contextlib import suppress

import attrs
import trio

from .cycle import Cycle
from .forwarded import Peer
from .outgoing import Outgoing
from .requests import Refusal, Request, RequestParser
from .response_head import BODY_TOO_SLOW, BUG, HEAD_TOO_SLOW, plain_answer
from .serving import Serving
from .timekeeper import NEVER

__all__ = ["Connection"]

IDLE, HEAD, BUSY, SKIPPING, LINGERING = range(5)
"""What the next bytes are for: nothing yet, a head, an application, a body that nobody wants, and nothing any more."""

MOST_DROPPED = 512 * 1024
"""Bytes that are read and dropped before a connection closes."""
MOST_FORMER = 16
"""Applications of one connection that go on after their responses, while later requests are answered."""


@attrs.define(eq=False)
class Connection:
    """Answers one request after the other (implements `Timed`: the deadline is for what is to be read)."""

    serving: Serving
    stream: trio.abc.Stream
    peer: Peer
    parser: RequestParser = attrs.field(init=False)
    out: Outgoing = attrs.field(init=False)
    gone: bool = attrs.field(default=False, init=False)
    """The client has gone. One that has only ended its own side counts as gone, too."""
    expires_at: float = attrs.field(default=NEVER, init=False)
    looked_at: float = attrs.field(default=NEVER, init=False)
    _phase: int = attrs.field(default=BUSY, init=False)
    _over: bool = attrs.field(default=False, init=False)
    _refusal: Refusal | None = attrs.field(default=None, init=False)
    _cycle: Cycle | None = attrs.field(default=None, init=False)
    _former: list[Cycle] = attrs.field(factory=list, init=False)
    _bell: trio.Event | None = attrs.field(default=None, init=False)
    """Wakes the task that answers."""
    _room: trio.Event | None = attrs.field(default=None, init=False)
    """Wakes the task that reads."""
    _dropped: int = attrs.field(default=0, init=False)
    _tasks: trio.Nursery = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.parser = RequestParser(self.serving.settings.head)
        self.out = Outgoing(self.stream, self.serving.settings, self.serving.timekeeper)

    async def run(self) -> None:
        """Carry it to its end. Applications are not cancelled when their client goes, so this may take longer than the stream lives."""
        try:
            async with trio.open_nursery() as self._tasks:
                self._tasks.start_soon(self._read)
                await self._answer()
        finally:
            self.serving.timekeeper.forget(self)
            self.serving.timekeeper.forget(self.out)

    def end_if_idle(self) -> bool:
        """Close it if it waits for a request of which nothing has come; whether it did."""
        is_idle = self._phase is IDLE and self.parser.is_idle and not self.parser.requests and not self._over
        if is_idle:
            self._over = True
            self._ring()
        return is_idle

    async def expire(self) -> None:
        """What was to come by now has not come."""
        if self._phase is BUSY:
            if (cycle := self._cycle) is not None and not cycle.request.body and not cycle.request.complete:
                cycle.give_up(BODY_TOO_SLOW)
        elif self._phase > HEAD or not self.parser.requests:
            self._over = True
            self._refusal = HEAD_TOO_SLOW if self._phase is HEAD else None
            self._ring()
        await trio.lowlevel.checkpoint()

    async def _read(self) -> None:
        try:
            while self._dropped <= MOST_DROPPED and (data := await self._receive()):
                if self._phase is LINGERING:
                    self._dropped += len(data)
                else:
                    self.parser.feed(data)
                    self._hear()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self.gone = True
        self._ring()
        for cycle in (*self._former, self._cycle):
            if cycle is not None:
                cycle.lose()

    async def _receive(self) -> bytes | bytearray:
        if self._is_full():
            self._room = trio.Event()
            await self._room.wait()
        return await self.stream.receive_some()

    def _is_full(self) -> bool:
        """Whether enough has come that nobody took yet."""
        parser, cycle = self.parser, self._cycle
        if self._phase is LINGERING:
            return False
        waiting = sum(request.waiting for request in parser.requests) if parser.requests else 0
        if cycle is not None and not cycle.request.complete:
            waiting += cycle.request.waiting
        return parser.is_full or parser.failure is not None or waiting > self.serving.settings.read_ahead

    def make_room(self) -> None:
        """Something was taken: read on."""
        if self._room is not None:
            self.parser.feed(b"")
            if not self._is_full():
                self._room.set()
                self._room = None

    def _hear(self) -> None:
        """Tell whomever it concerns what has come."""
        parser, cycle = self.parser, self._cycle
        if cycle is not None:
            if parser.failed_request is cycle.request and parser.failure is not None:
                cycle.give_up(parser.failure)
            cycle.hear()
            self.hand_over(cycle)
        elif self._phase > HEAD or parser.requests or parser.failure is not None:
            self._ring()
        elif self._phase is IDLE and not parser.is_idle:
            self._phase = HEAD
            self._expire_in(self.serving.settings.head_seconds)

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.set()
            self._bell = None

    def _expire_in(self, seconds: float) -> None:
        self.serving.timekeeper.watch(self, trio.current_time() + seconds)

    async def _answer(self) -> None:
        """Answer requests in their order, until the connection ends or another task takes over."""
        is_mine = True
        try:
            while is_mine and (request := await self._next()) is not None:
                cycle = self._cycle = Cycle(self, request)
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
                if self._room is not None:
                    self._room.set()
                await trio.aclose_forcefully(self.stream)

    async def _next(self) -> Request | None:
        """The next request; None if there will be none."""
        parser, settings = self.parser, self.serving.settings
        if parser.requests:
            await trio.lowlevel.checkpoint()
        while not parser.requests:
            if self.gone or self._over or parser.failure is not None or (self.serving.closing and parser.is_idle):
                return None
            self._phase = IDLE if parser.is_idle else HEAD
            self._expire_in(settings.idle_seconds if self._phase is IDLE else settings.head_seconds)
            await self._news()
        self._phase = BUSY
        self.expires_at = NEVER
        request = parser.requests.popleft()
        self.make_room()
        return None if request is parser.failed_request or (self.gone and not request.complete) else request

    async def _news(self) -> None:
        self._bell = trio.Event()
        await self._bell.wait()

    def hand_over(self, cycle: Cycle) -> None:
        """Let another task go on with the next request, if this one has its response and only its application is still at work."""
        response = cycle.response
        may_follow = cycle is self._cycle and response.finished and response.keep_alive and len(self._former) < MOST_FORMER
        if may_follow and self.parser.requests:
            self._cycle = None
            self._former.append(cycle)
            self._tasks.start_soon(self._answer)

    async def _settle(self, cycle: Cycle) -> bool:
        """Whether there may be another response after this one; if not, all that was to be said is said."""
        request, parser = cycle.request, self.parser
        if self.gone:
            return not cycle.hung_up
        if cycle.hung_up or self.out.torn:
            return False
        if not cycle.response.head_made:
            await self._refuse(cycle.failure or BUG)
            return False
        if not cycle.response.finished:
            return False  # so the client sees that something is missing
        if cycle.response.keep_alive:
            return request.complete or await self._skip_body(request)
        if not (request.complete and parser.is_idle and not parser.requests):
            await self._linger()
        return False

    async def _skip_body(self, request: Request) -> bool:
        """Drop what the application did not want; whether its end came in time."""
        self._phase = SKIPPING
        self._expire_in(self.serving.settings.linger_seconds)
        while not (request.complete or self.gone or self._over or self.parser.failure):
            request.body.clear()
            request.waiting = 0
            self.make_room()
            await self._news()
        return request.complete

    async def _refuse(self, refusal: Refusal | None) -> None:
        """Say why there is no answer, as the last thing on this connection."""
        if refusal is None or self.gone:
            return
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
            await self._news()
