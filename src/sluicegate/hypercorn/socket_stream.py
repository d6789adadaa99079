"""A WebSocket as Hypercorn has it, and what we must do otherwise: who is silent is pinged and given up, and floods end.

Messages are not compressed: a few bytes that become mebibytes would have to be bounded while they do.
"""

from __future__ import annotations

from typing import Any

import h11
import trio
from hypercorn.protocol.events import Event, StreamClosed
from hypercorn.protocol.ws_stream import FrameTooLargeError, WSStream
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.events import Event as SocketEvent
from wsproto.frame_protocol import CloseReason

__all__ = ["SILENCE_SECONDS", "SOCKETS_OWN", "SocketStream", "is_offered"]

SILENCE_SECONDS = 20.0
"""Without a sign of life a client is pinged; after as long again it is given up."""
MOST_IDLE_FRAMES, WINDOW_SECONDS = 1000, 10.0
"""Pings, pongs and fragments with nothing in them, within that time."""
FEW = 32
"""Frames that are looked at without letting others go on."""
SOCKETS_OWN = frozenset({b"sec-websocket-extensions"})
"""Headers that are not passed on."""


def is_offered(request: h11.Request) -> bool:
    """Whether a request asks for a WebSocket."""
    said = {name: value.lower() for name, value in request.headers}
    tokens = [token.strip() for token in said.get(b"connection", b"").split(b",")]
    return request.method == b"GET" and said.get(b"upgrade", b"").strip() == b"websocket" and b"upgrade" in tokens


class SocketStream(WSStream):
    """One WebSocket."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._lived = trio.current_time()
        self._over = trio.Event()
        self._since, self._idle_frames = self._lived, 0

    async def handle(self, event: Event) -> None:
        """Take what came."""
        self._lived = trio.current_time()
        if isinstance(event, StreamClosed):
            self._over.set()
        await super().handle(event)

    async def _handle_events(self) -> None:
        for number, event in enumerate(self.connection.events(), 1):
            await self._take(event)
            if self.closed:
                return
            if number % FEW == 0:
                await trio.lowlevel.checkpoint()

    async def _take(self, event: SocketEvent) -> None:
        if isinstance(event, Message):
            await self._add(event)
        elif isinstance(event, CloseConnection):
            is_theirs = self.connection.state is ConnectionState.REMOTE_CLOSING
            await self._send_wsproto_event(event.response() if is_theirs else CloseConnection(event.code))
            await self.send(StreamClosed(stream_id=self.stream_id))
        elif self._is_flood():
            await self._end(CloseReason.POLICY_VIOLATION)
        elif isinstance(event, Ping):
            await self._send_wsproto_event(event.response())

    async def _add(self, event: Message[Any]) -> None:
        if not event.data and not event.message_finished and self._is_flood():
            await self._end(CloseReason.POLICY_VIOLATION)
            return
        try:
            self.buffer.extend(event)
        except FrameTooLargeError:
            await self._end(CloseReason.MESSAGE_TOO_BIG)
            return
        if event.message_finished:
            assert self.app_put is not None
            await self.app_put(self.buffer.to_message())
            self.buffer.clear()

    def _is_flood(self) -> bool:
        """Count one frame that says nothing."""
        if self._lived - self._since >= WINDOW_SECONDS:
            self._since, self._idle_frames = self._lived, 0
        self._idle_frames += 1
        return self._idle_frames > MOST_IDLE_FRAMES

    async def _end(self, code: CloseReason) -> None:
        await self._send_wsproto_event(CloseConnection(code))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_pings(self) -> None:
        """Look for signs of life until it is over."""
        while not self._over.is_set():
            lived = self._lived
            with trio.move_on_at(lived + SILENCE_SECONDS):
                await self._over.wait()
            if self._over.is_set() or self._lived > lived:
                continue
            await self._send_wsproto_event(Ping())
            with trio.move_on_after(SILENCE_SECONDS):
                await self._over.wait()
            if self._lived <= lived and not self._over.is_set():
                await self._end(CloseReason.GOING_AWAY)
