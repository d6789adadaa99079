"""A WebSocket as Hypercorn has it, and what we must do otherwise: who is silent is pinged and given up, and floods end.

Messages are handed over as they come, in parts of which all but the last say ``more_body``, and as bytes: the application knows how long one may
be, and refuses it in words, where Hypercorn counts characters and would end the connection.

Messages are not compressed: a few bytes that become mebibytes would have to be bounded while they do.
"""

from __future__ import annotations

from typing import Any

import h11
import trio
from hypercorn.protocol.events import Event, StreamClosed
from hypercorn.protocol.ws_stream import WSStream
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping, TextMessage
from wsproto.events import Event as SocketEvent
from wsproto.frame_protocol import CloseReason

__all__ = ["SILENCE_SECONDS", "SocketStream", "is_offered", "offered_headers"]

SILENCE_SECONDS = 20.0
"""Without a sign of life a client is pinged; after as long again it is given up."""
MOST_IDLE_FRAMES, WINDOW_SECONDS = 1000, 10.0
"""Pings, pongs and fragments with nothing in them, within that time."""
FEW = 32
"""Frames that are looked at without letting others go on."""
PART = 65536
"""Bytes of a message that are handed over before its end has come."""
_EXTENSIONS = b"sec-websocket-extensions"
"""What is not passed on."""
_OFFER = frozenset({b"connection", b"upgrade", b"sec-websocket-protocol"})
"""Headers that are lists, and may come in several lines (RFC 9110, 5.3; RFC 6455, 11.3.4)."""

Headers = list[tuple[bytes, bytes]]


def is_offered(request: h11.Request) -> bool:
    """Whether a request asks for a WebSocket."""
    if request.method != b"GET":
        return False
    said = _lists(request)
    return _names(said.get(b"upgrade", b""), b"websocket") and _names(said.get(b"connection", b""), b"upgrade")


def offered_headers(request: h11.Request) -> Headers:
    """The headers of such a request as Hypercorn reads them: of several lines it takes the last, and ``Upgrade`` for one word."""
    lists = _lists(request) | {b"upgrade": b"websocket"}
    return [(name, value) for name, value in request.headers if name not in _OFFER and name != _EXTENSIONS] + list(lists.items())


def _lists(request: h11.Request) -> dict[bytes, bytes]:
    """What the offer consists of, each in one line."""
    lists: dict[bytes, bytes] = {}
    for name, value in request.headers:
        if name in _OFFER:
            lists[name] = lists[name] + b", " + value if name in lists else value
    return lists


def _names(value: bytes, word: bytes) -> bool:
    return word in [token.strip() for token in value.lower().split(b",")]


class SocketStream(WSStream):
    """One WebSocket."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._lived = trio.current_time()
        self._over = trio.Event()
        self._since, self._idle_frames = self._lived, 0
        self._part = bytearray()
        """Of a message, what has not been handed over."""

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
        self._part += event.data.encode() if isinstance(event, TextMessage) else event.data
        if event.message_finished or len(self._part) >= PART:
            part, self._part = bytes(self._part), bytearray()
            assert self.app_put is not None
            await self.app_put({"type": "websocket.receive", "bytes": part, "text": None, "more_body": not event.message_finished})

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
