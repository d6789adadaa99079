"""A wild backend behind HTTP: an endpoint that answers in all forms that are allowed, over connections that drip, break and end anywhere."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import MutableMapping
from typing import Any

import attrs
import trio
from tests.kit.weather import BadWire
from tests.kit.wild import WildBackend

from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.channel.outbox import Frame
from sluicegate.http1.asgi import Receive, Send
from sluicegate.http1.server.server import HangUp, serve
from sluicegate.protocol.clientele import MANY
from sluicegate.protocol.messages import Malformed, Notification, Params, Request, Response, decode
from sluicegate.protocol.sse import format_event
from sluicegate.protocol.tokens import NOBODY
from sluicegate.protocol.why import Why
from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream

__all__ = ["WildSite"]

JSON = 0.5
"""How many answers are no streams."""


class _NoInbox:
    """The far end takes notifications as frames."""

    clientele = MANY

    def renewed(self) -> None:
        pass

    def notification(self, method: str, params: Params) -> None:
        del method, params


@attrs.define(eq=False)
class _Stream:
    """What is still to be said in one answer."""

    events: deque[bytes] = attrs.field(factory=deque)
    news: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Ends with the session, or when the client has gone."""

    def put(self, data: bytes) -> None:
        self.events.append(data)
        self.news.set()

    async def next(self) -> bytes:
        while not self.events:
            self.news = trio.Event()
            await self.news.wait()
        return self.events.popleft()


class _Session(ChannelSession):
    """One conversation, whose messages go to the answers of one POST or another."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _NoInbox())
        self.answers: dict[object, _Stream] = {}
        """By the id of the request; the standing stream has None."""

    def receive(self, data: bytes, about: int = NOBODY) -> None:
        """The backend says something; what is about no open request goes anywhere."""
        del about
        message = decode(data)
        key: object = None
        if isinstance(message, Response):
            key = message.key
        elif isinstance(message, Notification):
            token = bytes(message.params.get("progressToken", b""))
            key = int(token) if token.isdigit() else None
        stream = self.answers.get(key)
        if stream is None and not isinstance(message, Response):
            stream = next(iter(self.answers.values()), None)
        if stream is not None:
            stream.put(data)

    def close(self, given: Why | str) -> None:
        """The session is lost, and every answer with it."""
        super().close(given)
        for stream in self.answers.values():
            stream.scope.cancel()


@attrs.define(eq=False)
class WildSite:
    """The endpoint of one player. `run` serves it; `connector` is what a gateway connects to it with."""

    player: WildBackend
    chance: random.Random
    ends: list[MemoryStream] = attrs.field(factory=list, init=False)
    _network: MemoryNetwork = attrs.field(factory=lambda: MemoryNetwork(resets=True), init=False)
    _sessions: dict[str, _Session] = attrs.field(factory=dict, init=False)
    _count: int = attrs.field(default=0, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)

    @property
    def connector(self) -> HttpConnector:
        """What a gateway connects with."""
        return HttpConnector(self.player.name, "http://wild.test/mcp", {}, self.open_stream)

    @property
    def open(self) -> int:
        """Connections that the client has not closed."""
        return len([end for end in self.ends if not end.closed])

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        """Connect, over a good wire or a bad one."""
        end = await self._network.open_stream(host, port)
        self.ends.append(end)
        return BadWire(end, self.chance, lambda: self.player.tame)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as self._nursery:
            await serve(self._answer, await self._network.listen("wild.test", 80), connections=self._nursery)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"this site has no {scope['type']}")
        body = await _read(receive)
        message = decode(body) if body else None
        headers = {bytes(name): bytes(value).decode() for name, value in scope["headers"]}
        name = headers.get(b"mcp-session-id", "")
        is_new = isinstance(message, Request) and message.method == "initialize"
        if is_new and self.player.refuse:
            await _say(send, 503, self.player.refuse.encode())
            return
        if is_new:
            name = self._begin()
        session = self._sessions.get(name)
        if session is None:
            await _say(send, 404, b"no such session")
        elif scope["method"] == "DELETE":
            session.close("the client has left")
            await _say(send, 200)
        elif message is not None and not isinstance(message, Request):
            session.outbox.put(Frame(body))
            await _say(send, 202)
        else:
            stream = _Stream()
            scope["extensions"]["sluicegate.disconnect"](stream.scope.cancel)
            await self._reply(session, stream, message, body, send, [(b"mcp-session-id", name.encode())] if is_new else [])

    async def _reply(
        self, session: _Session, stream: _Stream, message: Request | None, body: bytes, send: Send, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Answer a request, or be the standing stream."""
        key = None if message is None else message.key
        session.answers[key] = stream
        if message is not None:
            session.outbox.put(Frame(body))
        try:
            with stream.scope:
                await self._talk(stream, key, send, headers)
        finally:
            if session.answers.get(key) is stream:
                del session.answers[key]
        if stream.scope.cancelled_caught:
            raise HangUp

    def _begin(self) -> str:
        assert self._nursery is not None
        self._count += 1
        name = f"wild-{self._count}"
        session = self._sessions[name] = _Session(self.player.name)
        self._nursery.start_soon(self._converse, name, session)
        return name

    async def _converse(self, name: str, session: _Session) -> None:
        self.player.sessions.append(session)
        try:
            await self.player.converse(session)
        finally:
            session.close("the conversation has ended")
            self.player.sessions.remove(session)
            del self._sessions[name]

    async def _talk(self, stream: _Stream, key: object, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        """One answer: JSON, or events up to the reply."""
        if key is not None and self.chance.random() < JSON:
            while not _is_last(data := await stream.next(), key):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"), *headers]})
            await send({"type": "http.response.body", "body": data})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream"), *headers]})
        is_over = False
        while not is_over:
            data = await stream.next()
            is_over = key is not None and _is_last(data, key)
            await send({"type": "http.response.body", "body": format_event(data), "more_body": True})
        await trio.sleep(self.chance.choice((0, 0, 0.01, 1)))
        await send({"type": "http.response.body", "body": b""})


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise HangUp
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return body


def _is_last(data: bytes, key: object) -> bool:
    message = decode(data)
    return isinstance(message, Malformed) or (isinstance(message, Response) and message.key == key)


async def _say(send: Send, status: int, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})
