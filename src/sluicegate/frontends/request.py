"""One HTTP request as ASGI hands it over, and the ways to answer it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any

import attrs
import trio

from ..http1.asgi import CLIENT_CERTIFICATE, ON_DISCONNECT, TAKES_VIEWS, Receive, Scope, Send
from ..http1.fair_turns import FairTurns
from ..http1.server.forwarded import network_of
from ..protocol.ahead import ENOUGH, crowded_ahead
from ..protocol.eras import MODERN
from ..protocol.introduction import names_version
from ..protocol.messages import Malformed, Message, Notification, Request, encode, encode_error
from ..protocol.parts import Parts
from ..protocol.principal import NOBODY, Principal
from ..protocol.request_headers import RequestHeaders, read_headers
from .stream import Downlink

__all__ = ["BodyTooLarge", "ClientGone", "HttpRequest", "version_header"]

DROPPED = 4
"""A body of up to so many times the limit is read to its end before it is refused."""
Headers = Sequence[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The client went away before its request was complete."""


class BodyTooLarge(Exception):
    """The request's body is larger than allowed."""


class BodyCrowded(Exception):
    """The beginning of the body says that it will be refused."""

    def __init__(self, why: Malformed) -> None:
        super().__init__(why.message)
        self.why = why


@attrs.define(eq=False, repr=False)
class HttpRequest:
    """A request and the one response to it."""

    scope: Scope
    receive: Receive
    send: Send
    method: str = attrs.field(init=False)
    """In capitals."""
    path: str = attrs.field(init=False)
    """Without the query, and without the part under which an outer application has mounted us."""
    headers: RequestHeaders = attrs.field(init=False)
    downlink: Downlink = attrs.field(init=False)
    principal: Principal = attrs.field(default=NOBODY, init=False)
    """Who has sent it, where that is known."""
    extra: Headers = attrs.field(default=(), init=False)
    """Headers that every response to it carries."""
    _takes_views: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        scope = self.scope
        self.method = scope["method"]
        path, root = scope["path"], scope.get("root_path", "")
        self.path = path[len(root) :] or "/" if root and f"{path}/".startswith(f"{root}/") else path
        extensions = scope.get("extensions") or {}
        self.downlink = Downlink(self.receive, extensions.get(ON_DISCONNECT))
        self._takes_views = TAKES_VIEWS in extensions
        self.headers = read_headers(scope["headers"], lower=self.downlink.on_disconnect is not None)  # from our own server

    @property
    def network(self) -> str:
        """What the client's address is counted by; empty where there is none."""
        client = self.scope.get("client")
        return network_of(client[0]) if client else ""

    @property
    def certificate(self) -> Mapping[str, object] | None:
        """What the client has shown during the TLS handshake, if it was asked for anything."""
        return (self.scope.get("extensions") or {}).get(CLIENT_CERTIFICATE)

    def stands_alone(self, message: Message) -> bool:
        """Whether a message in it is of a revision without a handshake, by its header or by what it says of itself (P-8)."""
        if self.headers.protocol_version in MODERN:
            return True
        return isinstance(message, Request | Notification) and "_meta" in message.params and names_version(message.params)

    async def read_body(self, limit: int, turns: FairTurns) -> bytes:
        """The whole body; raises `BodyTooLarge`, `BodyCrowded` or `ClientGone`.

        One that is refused, if it is not far too large, is read to its end and dropped, because most clients send all of it before they listen.
        The beginning of a large one is looked at in its turn.
        """
        announced = self.headers.content_length
        most = limit if self.headers.expects else limit * DROPPED
        if announced.isdecimal() and int(announced[:20]) > most:
            raise BodyTooLarge
        parts: list[bytes] = []
        size, more = 0, True
        crowded: Malformed | None = None
        while more and size <= limit * DROPPED:
            event = await self.receive()
            if event["type"] == "http.disconnect":
                raise ClientGone
            part = event.get("body", b"")
            is_first_look = size <= ENOUGH < size + len(part)
            size += len(part)
            parts.append(part)
            if is_first_look:
                if not turns.enter():
                    await turns.wait()
                crowded = crowded_ahead(b"".join(parts))
            if crowded is not None or size > limit:
                parts.clear()
            more = event.get("more_body", False)
        if size > limit:
            raise BodyTooLarge
        if crowded is not None:
            raise BodyCrowded(crowded)
        body = b"".join(parts)
        if size > ENOUGH:  # to copy it takes as long as to read it, where the pages for it are new
            parts.clear()
            await trio.lowlevel.checkpoint()
        return body

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send status and headers."""
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self.extra]})

    async def send_part(self, data: bytes | memoryview, *, more: bool = True) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def _send(self, event: MutableMapping[str, Any]) -> None:
        try:
            await self.send(event)
        except OSError:  # how ASGI servers say that the client has gone
            self.downlink.lose()

    async def respond(self, status: int, body: bytes | Parts = b"", *, kind: bytes = b"application/json", headers: Headers = ()) -> None:
        """Send a whole response."""
        own = [(b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store"), *headers, *self.extra]
        if body:
            own.append((b"content-type", kind))
        send = self.send
        try:
            await send({"type": "http.response.start", "status": status, "headers": own})
            if isinstance(body, Parts):
                if self._takes_views:
                    await send({"type": "http.response.body", "body": body.before, "more_body": True})
                    await send({"type": "http.response.body", "body": body.large, "more_body": True})
                    body = body.after
                else:
                    body = bytes(body)
            await send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})
        except OSError:  # as above
            self.downlink.lose()

    async def refuse(
        self, status: int, code: int, message: str, *, id: bytes = b"null", data: object = None, headers: Headers = ()
    ) -> None:
        """Send a JSON-RPC error as a whole response."""
        error = {"code": code, "message": message} | ({"data": data} if data is not None else {})
        await self.respond(status, encode_error(id, encode(error)), headers=headers)


@lru_cache
def version_header(era: str) -> Headers:
    """What each response in a session of that revision carries."""
    return ((b"mcp-protocol-version", era.encode()),)
