"""The far side of a WebSocket, played by hand: a test hears messages, and sends whatever frames it likes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import msgspec
import trio
import wsproto
from tests.kit.farside import FarSide, Talk
from wsproto.events import AcceptConnection, CloseConnection, Event, Pong, TextMessage

from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.backends.websocket.websocket_connector import WebSocketConnector
from sluicegate.protocol.calls import Call, Reply

__all__ = ["SocketPeer", "connected", "start"]


@attrs.define(eq=False)
class SocketPeer:
    """One connection that stands, or is to."""

    talk: Talk
    head: bytes = attrs.field(default=b"", init=False)
    """The handshake as it came."""
    socket: wsproto.WSConnection = attrs.field(factory=lambda: wsproto.WSConnection(wsproto.ConnectionType.SERVER), init=False)
    _events: list[Event] = attrs.field(factory=list, init=False)

    async def take(self, subprotocol: str | None = "mcp", together_with: tuple[Event, ...] = ()) -> None:
        """Answer the handshake, and send events in the same piece."""
        self.head = await self.talk.hear()
        self.socket.receive_data(self.head)
        list(self.socket.events())
        await self.raw(b"".join(self.socket.send(event) for event in (AcceptConnection(subprotocol=subprotocol), *together_with)))

    async def send(self, event: Event) -> None:
        """Send one event."""
        await self.raw(self.socket.send(event))

    async def raw(self, data: bytes) -> None:
        """Send bytes."""
        await self.talk.stream.send_all(data)

    async def say(self, message: object) -> None:
        """Send a message."""
        await self.send(TextMessage(msgspec.json.encode(message).decode()))

    async def hear(self) -> Event:
        """The next event."""
        while not self._events:
            self.socket.receive_data(bytes(await self.talk.stream.receive_some(65536)) or None)
            self._events += self.socket.events()
        return self._events.pop(0)

    async def message(self) -> dict[str, object]:
        """The next message, whole; pings are answered."""
        text = ""
        while True:
            event = await self.hear()
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    decoded: dict[str, object] = msgspec.json.decode(text)
                    return decoded
            elif not isinstance(event, Pong):
                assert not isinstance(event, CloseConnection), event
                await self.send(event.response())  # type: ignore[attr-defined]


@asynccontextmanager
async def connected(
    inbox: Inbox,
    far: FarSide | None = None,
    *,
    limit: int = 10_000,
    headers: dict[str, str] | None = None,
    url: str = "ws://far.test/mcp",
    together_with: tuple[Event, ...] = (),
) -> AsyncGenerator[tuple[BackendSession, SocketPeer], None]:
    """A session, and its far side."""
    far = far or FarSide()
    connector = WebSocketConnector("b", url, headers=headers or {}, open_stream=far.open_stream, max_message_size=limit)
    peers: list[SocketPeer] = []

    async def play() -> None:
        peer = SocketPeer(await far.accept())
        await peer.take(together_with=together_with)
        peers.append(peer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        async with connector(inbox) as session:
            yield session, peers[0]
        nursery.cancel_scope.cancel()


def start(nursery: trio.Nursery, session: BackendSession, call: Call, replies: list[Reply]) -> None:
    """Run a call beside the test; its reply is appended."""

    async def run() -> None:
        replies.append(await session.request(call))

    nursery.start_soon(run)
