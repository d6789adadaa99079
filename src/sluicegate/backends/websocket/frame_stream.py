"""Messages over a WebSocket: frames out of bytes and back, pings in both directions, and the end. One reader, one writer.

Frames are made when a message is put into the queue, so a call that is cancelled costs the stream nothing: its frame leaves whole, or not at
all. What arrives is counted piece by piece, so no peer makes us keep more than one message's worth, in however many fragments.
"""

from __future__ import annotations

import attrs
import trio
import wsproto
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from ...channel.lines import Gathered, Oversized
from ...channel.outbox import Frame
from ...http1.sockets import MOST_READ, QuickSocket
from ...protocol.why import Why
from ..channel import ChannelSession
from ..oversized_answers import settle
from .close_codes import how_it_closed

__all__ = ["FrameStream"]

FEW = 32
"""Frames that are looked at without letting others go on: less than half a millisecond."""
SLICE = 65536
"""Bytes of a large message that the peer must take within the bound of a pong."""


@attrs.define(eq=False, repr=False)
class FrameStream:
    """Both directions of one WebSocket that stands."""

    stream: trio.abc.Stream
    frames: wsproto.WSConnection
    limit: int
    """The largest message in bytes."""
    ping_seconds: float
    """After so long without a sign of life the peer is pinged; after as long again it is given up."""
    session: ChannelSession = attrs.field(init=False)
    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Both sides have said that they will say no more, or the connection is gone."""
    _gathered: Gathered = attrs.field(default=attrs.Factory(lambda self: Gathered(self.limit), takes_self=True), init=False)
    """The fragments of a message that has begun."""
    _lived: float = attrs.field(factory=trio.current_time, init=False)
    """The last sign of life."""
    _code: int = attrs.field(default=CloseReason.NORMAL_CLOSURE, init=False)
    """What we close with."""

    # -- the session's side

    def framed(self, message: bytes) -> bytes:
        """A message as it travels."""
        return self.frames.send(TextMessage(message.decode(errors="replace")))

    def send_now(self, data: bytes) -> int:
        """Send as much as the system takes at once; 0 too where nobody reads any more, which the writer finds out."""
        if not isinstance(self.stream, QuickSocket):
            return 0
        try:
            return self.stream.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return 0

    async def run(self, scope: trio.CancelScope) -> None:
        """Carry frames until both directions have ended, or until cancelled through ``scope``, which shields it from everybody else."""
        with scope:
            async with trio.open_nursery() as alive:
                alive.start_soon(self._keep_alive)
                async with trio.open_nursery() as directions:
                    directions.start_soon(self._read)
                    directions.start_soon(self._write)
                alive.cancel_scope.cancel(reason="both directions have ended")
        self.ended.set()

    # -- out

    async def _write(self) -> None:
        try:
            while (frame := await self.session.next_frame()) is not None:
                await self._send(frame)
            if not self.session.outbox.is_cut and self.frames.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
                await self._send(self.frames.send(CloseConnection(self._code)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.session.close(Why("the connection broke"))

    async def _send(self, data: bytes) -> None:
        """Send in slices: whoever takes one after the other is alive, however long he needs for the whole."""
        with memoryview(data) as whole:
            for start in range(0, len(whole), SLICE):
                await self.stream.send_all(whole[start : start + SLICE])
                if start:
                    self._lived = trio.current_time()

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep_until(self._lived + self.ping_seconds)
            lived = self._lived
            if trio.current_time() < lived + self.ping_seconds or not self.session.is_open:
                await trio.lowlevel.checkpoint()
                if not self.session.is_open:
                    return
                continue
            self.session.outbox.put(Frame(self.frames.send(Ping())))
            await trio.sleep(self.ping_seconds)
            if self._lived <= lived:
                self._code = CloseReason.GOING_AWAY
                self.session.close(Why(f"it did not answer a ping within {self.ping_seconds:g} s"))
                return

    # -- in

    async def _read(self) -> None:
        while await self._take_all():  # at first what came together with the handshake
            try:
                data = bytes(await self.stream.receive_some(MOST_READ))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                self.session.close(Why("the connection ended without a word"))
                return
            self._lived = trio.current_time()
            self.frames.receive_data(data)

    async def _take_all(self) -> bool:
        """Take what has come; whether there may be more."""
        for number, event in enumerate(self.frames.events(), 1):
            self._take(event)
            if isinstance(event, CloseConnection):
                return False
            if number % FEW == 0:
                await trio.lowlevel.checkpoint()
        return True

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._add(event.data.encode(), event)
        elif isinstance(event, BytesMessage):  # CORE-67; that it is text is seen when it is read
            self._add(bytes(event.data), event)
        elif isinstance(event, Ping):
            is_open = self.frames.state is ConnectionState.OPEN
            self.session.heard_below(self.frames.send(event.response()) if is_open else b"", "the answer to a ping")
        elif isinstance(event, CloseConnection):
            self._end(event)
        else:  # a pong, be it asked for or not
            self.session.heard_below(b"", "")

    def _add(self, data: bytes, event: TextMessage | BytesMessage) -> None:
        if event.message_finished and self._gathered.is_empty and len(data) <= self.limit:
            self.session.receive(data)
            return
        if not (data or event.message_finished):
            self.session.complain("an empty fragment")  # they have no other bound
        self._gathered.add(data)
        if event.message_finished:
            whole = self._gathered.take()
            if isinstance(whole, Oversized):
                settle(self.session, whole, f"a message of {whole.size} bytes", self.limit)
            else:
                self.session.receive(whole)

    def _end(self, event: CloseConnection) -> None:
        """The peer closes, or has broken the rules."""
        is_theirs = self.frames.state is not ConnectionState.OPEN
        self._code = event.code if event.code != CloseReason.NO_STATUS_RCVD else CloseReason.NORMAL_CLOSURE
        what = "it broke the rules of WebSockets"
        self.session.close(how_it_closed(event.code, event.reason) if is_theirs else Why(what, f"{what}: {event.reason}"))
