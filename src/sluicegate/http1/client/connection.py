"""One connection to a server: a stream, a parser, and one deadline that moves.

A connection is ended by giving it a deadline that has passed: the timekeeper closes the stream, and whoever waits on it wakes up. So nobody
has to wait in a ``finally``, a request can be cut from outside without a cancel scope of its own, and every end takes the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import attrs
import trio

from ..fair_turns import FairTurns
from ..sockets import MOST_READ, QuickSocket, probe_of_descriptor
from ..timekeeper import Timekeeper
from .failures import Broken
from .response_parser import ResponseParser

__all__ = ["NEVER", "SENT_APART", "ClientConnection", "Home", "probe_of"]

SENT_APART = 65536
"""A body of this size goes in a send of its own: copying it behind the head would cost more."""

SLOW = "the server did not take the request in time"

NEVER = float("inf")
AT_ONCE = float("-inf")


class Home(Protocol):
    """Where connections live."""

    def take_back(self, connection: ClientConnection) -> None:
        """Its response is complete."""
        ...

    def let_go(self, connection: ClientConnection) -> None:
        """It has ended, and will be closed."""
        ...

    def forget(self, connection: ClientConnection) -> None:
        """It is closed."""
        ...


@attrs.define(eq=False, repr=False)
class ClientConnection:
    """Carries one request after the other (implements `Timed`)."""

    stream: trio.abc.Stream
    keeper: Timekeeper
    home: Home
    turns: FairTurns
    """Where large responses wait for each other."""
    is_readable: Callable[[], bool]
    """Whether something has come, or the end; never blocks. Between two responses either means that it cannot be used again."""
    quick: QuickSocket | None = attrs.field(init=False)
    """The stream, if it can send without yielding."""
    parser: ResponseParser = attrs.field(factory=ResponseParser)
    purpose: object = None
    """What its request is for."""
    why: str = ""
    """What the deadline means, in the words of a failure."""
    ended: bool = False
    came: int = attrs.field(init=False)
    """Bytes of this response so far."""
    broken: bool = False
    """The request did not leave as a whole: there may be a response, but no second request."""
    expires_at: float = NEVER
    looked_at: float = NEVER

    def __attrs_post_init__(self) -> None:
        self.quick = self.stream if isinstance(self.stream, QuickSocket) else None

    def send_now(self, data: bytes) -> int:
        """Begin a request with as much as the kernel takes at once; how much that is. No checkpoint: waiting for the answer is one."""
        if self.quick is None:
            return 0
        try:
            return self.quick.send_now(data)
        except trio.BrokenResourceError:
            self.broken = True
            return len(data)

    async def send(self, rest: memoryview, body: bytes, seconds: float) -> None:
        """Send the rest within that time. A server that does not read to the end may have answered already, so that is no failure yet."""
        self.set_deadline(trio.current_time() + seconds, SLOW)
        if body or self.quick is not None:
            await self._send_and_listen(rest, body)
        else:
            await self._send_all(rest)
        if self.ended:
            raise Broken(self.why)
        if not self.broken:
            self.expires_at = NEVER

    async def _send_all(self, *pieces: bytes | memoryview) -> None:
        self.broken = True
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            for piece in pieces:
                await self.stream.send_all(piece)
            self.broken = False

    async def _send_and_listen(self, *pieces: bytes | memoryview) -> None:
        """Send what may take a while, unless it is answered meanwhile: some servers refuse a request, and neither read on nor close."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear_early_answer, nursery.cancel_scope)
            await self._send_all(*pieces)
            nursery.cancel_scope.cancel(reason="the request is sent")

    async def _hear_early_answer(self, sending: trio.CancelScope) -> None:
        parser = self.parser
        while not (failure := await self.receive()) and not parser.complete:
            if sum(map(len, parser.body)) > MOST_READ:
                if parser.status < 400:
                    return  # it takes the rest while it answers already
                break
        if failure:
            self.end(failure)
        sending.cancel(reason="it is answered")

    async def receive(self) -> str:
        """Give the parser what comes next; why the response cannot be completed, or nothing."""
        parser = self.parser
        try:
            data = await self._receive_in_turn() if self.came > MOST_READ else await self.stream.receive_some(MOST_READ)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return self.why if self.ended else self._cut_off("the connection was reset")
        if data:
            self.came += len(data)
            parser.feed(data)
        else:
            parser.eof()
        if parser.complete:
            return ""
        if parser.failure:
            return f"the answer is no HTTP: {parser.failure}" if data else self._cut_off("the connection was closed")
        return "" if data else self._cut_off("the connection was closed")

    async def _receive_in_turn(self) -> bytes | bytearray:
        """More of a large response. What is made of it before anybody yields, at its end the whole answer, belongs to the same turn."""
        data = None
        while data is None:
            if self.quick is not None:
                await self.quick.wait_receive_might_not_block()
            if not self.turns.enter():
                await self.turns.wait()
            data = await self.stream.receive_some(MOST_READ) if self.quick is None else self.quick.receive_now(MOST_READ)
        return data

    def _cut_off(self, how: str) -> str:
        if self.parser.status:
            return f"{how} in the middle of the answer"
        return f"{how} before the request had been sent" if self.broken else f"{how} without an answer"

    def hurry(self, seconds: float) -> None:
        """Let the response end within that time."""
        if not self.ended:
            self.set_deadline(min(self.expires_at, trio.current_time() + seconds), "the answer took too long to end")

    def end(self, why: str) -> None:
        """Close it, as soon as the timekeeper gets round to it; at once for all who ask."""
        if not self.ended:
            self.ended = True
            self.home.let_go(self)
            self.set_deadline(AT_ONCE, why)

    def set_deadline(self, moment: float, why: str) -> None:
        """Give it a deadline, and the words for whoever waits for it then: without words he would wait on."""
        self.why = why
        self.keeper.watch(self, moment)

    async def expire(self) -> None:
        """The deadline has passed."""
        if not self.ended:
            self.ended = True
            self.home.let_go(self)
        await trio.aclose_forcefully(self.stream)
        self.parser.close()
        self.home.forget(self)


def probe_of(stream: trio.abc.Stream) -> Callable[[], bool]:
    """How to ask a stream whether something has come. Of one that cannot be asked the answer is always yes, so it is used only once."""
    if isinstance(stream, trio.SSLStream):
        return _probe_tls(stream)
    if isinstance(stream, QuickSocket):
        stream = stream.stream
    if isinstance(stream, trio.SocketStream):
        return probe_of_descriptor(stream.socket.fileno())
    return lambda: bool(getattr(stream, "is_readable", True))


def _probe_tls(stream: trio.SSLStream[trio.abc.Stream]) -> Callable[[], bool]:
    below = probe_of(stream.transport_stream)
    decrypted: Callable[[], int] = stream.pending
    encrypted = stream._incoming  # noqa: SLF001  Trio does not show what it has read and not decrypted yet
    return lambda: bool(below() or decrypted() or encrypted.pending)
