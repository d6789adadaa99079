"""MCP over WebSockets: each message is a text frame, and each connection a session of its own. The guards of HTTP stand before the upgrade."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio

from ...http1.asgi import Message, Receive, Scope, Send
from ...protocol.errors import INVALID_REQUEST
from ...protocol.principal import Principal
from ..owners import NoPlace
from ..request import HttpRequest
from .carried_front import Carried
from .session_places import TablePlaces, connected

__all__ = ["WebSockets", "as_request"]

SUBPROTOCOL = "mcp"
GOING_AWAY, NORMAL, POLICY = 1001, 1000, 1008


def as_request(scope: Scope, send: Send, method: str) -> tuple[Scope, Send]:
    """The offer of a WebSocket as a request of that method, which can be refused as any other."""
    has_words = "websocket.http.response" in (scope.get("extensions") or {})

    async def answer(event: Message) -> None:
        kind = event["type"]
        if not kind.startswith("http."):
            await send(event)
        elif has_words:
            await send({**event, "type": f"websocket.{kind}"})
        elif kind == "http.response.start":
            await send({"type": "websocket.close", "code": POLICY})

    return {**scope, "type": "http", "method": method}, answer


@attrs.define(eq=False, repr=False)
class WebSockets:
    """What answers who asks for one."""

    carried: Carried
    is_draining: Callable[[], bool]
    refuse_new: Callable[[HttpRequest], Awaitable[None]]

    async def answer(self, http: HttpRequest, principal: Principal) -> None:
        """Take it, unless it speaks something else, and serve its client to the end."""
        if self.is_draining():
            await self.refuse_new(http)
            return
        offered = http.scope.get("subprotocols") or []
        if offered and SUBPROTOCOL not in offered:
            await self._refuse(http, NoPlace(400, f"this endpoint speaks the subprotocol '{SUBPROTOCOL}'"))
            return
        await self.carried.endpoint.door.opens()
        with connected(self.carried.table, principal, http.network) as places:
            if isinstance(places, NoPlace):
                await self._refuse(http, places)
            else:
                await self._serve(http, places, SUBPROTOCOL if offered else None)

    async def _refuse(self, http: HttpRequest, why: NoPlace) -> None:
        await self.carried.endpoint.door.opens()
        self.carried.endpoint.door.refuse(why.status, why.message, http)
        await http.refuse(why.status, INVALID_REQUEST, why.message)

    async def _serve(self, http: HttpRequest, places: TablePlaces, subprotocol: str | None) -> None:
        await http.receive()  # what asks to be let in
        await http.send({"type": "websocket.accept", "subprotocol": subprotocol})
        incoming = _Incoming(http.receive)
        with suppress(OSError):  # the client has gone
            await self.carried.serve(places, incoming, _Outgoing(http.send))
            code = GOING_AWAY if self.is_draining() else POLICY if places.is_outlived else NORMAL
            await http.send({"type": "websocket.close", "code": code})


@attrs.define(eq=False, repr=False)
class _Incoming(trio.abc.ReceiveStream):
    """Frames as lines (implements `ClientLines`)."""

    receive: Receive
    heard: bool = attrs.field(default=False, init=False)
    _on_gone: Callable[[], None] = attrs.field(default=lambda: None, init=False)

    def carry(self, on_gone: Callable[[], None]) -> trio.abc.ReceiveStream:
        self._on_gone = on_gone
        return self

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """One message, or a part of one. A line feed in JSON stands between tokens, where a carriage return says as little; in a text neither may be.

        Servers give whole messages; ours gives parts, with ``more_body``, so that only what may be kept is kept.
        """
        del max_bytes
        event = await self.receive()
        if event["type"] != "websocket.receive":
            self._on_gone()
            return b""
        text = event.get("text")
        data: bytes = (event["bytes"] if text is None else text.encode()).replace(b"\n", b"\r")
        if event.get("more_body"):
            return data
        self.heard = True
        return data + b"\n"

    async def aclose(self) -> None:
        """The connection is the server's to close."""
        await trio.lowlevel.checkpoint()


@attrs.frozen(eq=False, repr=False)
class _Outgoing(trio.abc.SendStream):
    """Lines as frames."""

    send: Send

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """One message."""
        try:
            await self.send({"type": "websocket.send", "text": bytes(data).rstrip(b"\n").decode(errors="replace")})
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        """Nobody asks."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """The connection is the server's to close."""
        await trio.lowlevel.checkpoint()
