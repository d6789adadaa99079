"""HTTP+SSE, the transport of 2024, for clients that know nothing newer: a GET stream names the address that messages are posted to.

A client whose stream ends has nothing to come back with, so its session ends with the stream.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from urllib.parse import parse_qs

import attrs
import trio

from ...protocol.errors import INVALID_REQUEST, OVERLOADED, SESSION_NOT_FOUND
from ...protocol.principal import Principal
from ...protocol.sse import format_comment, format_event
from ..event_stream import STREAM_HEADERS
from ..owners import NoPlace
from ..paths import HttpRoute
from ..request import HttpRequest
from .carried_front import Carried
from .session_places import TablePlaces, connected

__all__ = ["OldEvents"]

STREAM, MESSAGES = "/sse", "/messages"
SESSION = ("sessionId", "session_id")
"""The member of the query that tells the session; the first is ours."""
MOST_MEMBERS = 16
KEEP_ALIVE_SECONDS = 15.0
"""A quiet stream gets a comment that often, so that nobody on the way takes it for dead."""
MOST_WAITING, MOST_WAITING_BYTES = 256, 4 * 1024 * 1024
"""Messages that were taken and not read yet."""


@attrs.define(eq=False, repr=False)
class OldEvents:
    """All clients that came in by it."""

    carried: Carried
    is_draining: Callable[[], bool]
    refuse_new: Callable[[HttpRequest], Awaitable[None]]
    read_body: Callable[[HttpRequest], Awaitable[bytes | None]]
    """The body of a POST; None if it was refused."""
    _posted: dict[str, _Posted] = attrs.field(factory=dict, init=False)

    @property
    def rows(self) -> Mapping[str, HttpRoute]:
        """What is served, by path."""
        return {
            STREAM: HttpRoute({"GET": self._stream}, speaks_rpc=True),
            MESSAGES: HttpRoute({"POST": self._take}, speaks_rpc=True),
        }

    async def _stream(self, http: HttpRequest, principal: Principal) -> None:
        if self.is_draining():
            await self.refuse_new(http)
            return
        await self.carried.endpoint.door.opens()
        with connected(self.carried.table, principal, http.network) as places:
            if isinstance(places, NoPlace):
                await self._refuse(http, places.status, INVALID_REQUEST, places.message)
            else:
                await self._serve(http, places)

    async def _serve(self, http: HttpRequest, places: TablePlaces) -> None:
        key = base64.urlsafe_b64encode(self.carried.table.sources.secret(24)).decode()
        posted, outgoing = _Posted(places), _Events(http)
        self._posted[key] = posted
        try:
            await http.start(200, STREAM_HEADERS)
            address = f"{http.scope.get('root_path', '')}{MESSAGES}?{SESSION[0]}={key}"
            await http.send_part(format_event(address.encode(), name="endpoint"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_hear_the_end, http, posted, outgoing)
                await self.carried.serve(places, posted, outgoing)
                nursery.cancel_scope.cancel(reason="the client is served")
            await http.send_part(b"", more=False)
        finally:
            del self._posted[key]

    async def _take(self, http: HttpRequest, principal: Principal) -> None:
        """A message to the session that the query names; its answer comes on the stream."""
        if self.is_draining():
            await self.refuse_new(http)
            return
        posted = self._posted.get(_key_in(http.scope["query_string"].decode("latin-1")))
        if posted is None or posted.places.principal.key != principal.key:
            await self._refuse(http, 404, SESSION_NOT_FOUND, "Session not found: open a stream with GET /sse first")
            return
        body = await self.read_body(http)
        if body is None:
            return
        if posted.take(body, principal):
            await http.respond(202, b"Accepted", kind=b"text/plain; charset=utf-8")
        else:
            await self._refuse(http, 503, OVERLOADED, "too many messages wait to be read", retry_after=b"1")

    async def _refuse(self, http: HttpRequest, status: int, code: int, message: str, retry_after: bytes = b"") -> None:
        await self.carried.endpoint.door.opens()
        self.carried.endpoint.door.refuse(status, message, http)
        await http.refuse(status, code, message, headers=[(b"retry-after", retry_after)] if retry_after else [])


def _key_in(query: str) -> str:
    """The session that a query names; none in one with more members than anybody needs."""
    try:
        members = parse_qs(query, max_num_fields=MOST_MEMBERS)
    except ValueError:
        return ""
    return next((members[name][0] for name in SESSION if name in members), "")


@attrs.define(eq=False, repr=False)
class _Posted(trio.abc.ReceiveStream):
    """Bodies as lines (implements `ClientLines`)."""

    places: TablePlaces
    heard: bool = attrs.field(default=False, init=False)
    _send: trio.MemorySendChannel[tuple[Principal, bytes]] = attrs.field(init=False)
    """Each with whom its request has shown."""
    _receive: trio.MemoryReceiveChannel[tuple[Principal, bytes]] = attrs.field(init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _on_gone: Callable[[], None] = attrs.field(default=lambda: None, init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[tuple[Principal, bytes]](MOST_WAITING)

    def carry(self, on_gone: Callable[[], None]) -> trio.abc.ReceiveStream:
        self._on_gone = on_gone
        return self

    def take(self, body: bytes, principal: Principal) -> bool:
        """One more message, if there is room for it. A line feed in JSON stands between tokens, where a carriage return says as little."""
        if self._bytes and self._bytes + len(body) > MOST_WAITING_BYTES:
            return False
        with suppress(trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            self._send.send_nowait((principal, body.replace(b"\n", b"\r") + b"\n"))
            self._bytes += len(body) + 1
            self.heard = True
            return True
        return False

    def leave(self) -> None:
        """The client has gone."""
        self._on_gone()
        self._send.close()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """One message, which is dealt with before the next is asked for: until then its sender is who the client is."""
        del max_bytes
        try:
            self.places.principal, line = await self._receive.receive()
        except trio.EndOfChannel:
            return b""
        self._bytes -= len(line)
        return line

    async def aclose(self) -> None:
        """Take no more."""
        self._receive.close()
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False, repr=False)
class _Events(trio.abc.SendStream):
    """Lines as events."""

    http: HttpRequest
    _sending: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """One message."""
        await self._say(format_event(bytes(data).rstrip(b"\n"), name="message"))

    async def sign(self) -> None:
        """Something that is nothing, so that nobody on the way takes the stream for dead."""
        with suppress(trio.BrokenResourceError):
            await self._say(format_comment("still here"))

    async def _say(self, data: bytes) -> None:
        async with self._sending:
            await self.http.send_part(data)
        if self.http.downlink.lost:
            raise trio.BrokenResourceError("the client has gone")

    async def wait_send_all_might_not_block(self) -> None:
        """Nobody asks."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """The answer is ended by whoever began it."""
        await trio.lowlevel.checkpoint()


async def _hear_the_end(http: HttpRequest, posted: _Posted, outgoing: _Events) -> None:
    while not http.downlink.lost:
        if not await http.downlink.wait(KEEP_ALIVE_SECONDS):
            await outgoing.sign()
    posted.leave()
