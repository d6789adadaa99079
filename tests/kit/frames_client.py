"""A client over a WebSocket, straight at the application: what it says and hears are whole messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import trio

from sluicegate.http1.asgi import ASGIApp

__all__ = ["FramesClient", "open_frames"]

Json = dict[str, Any]


@attrs.define(eq=False)
class FramesClient:
    """Messages as they come; what tells of changed lists is passed over by `hear`."""

    said: trio.MemorySendChannel[Json]
    heard: trio.MemoryReceiveChannel[Json]

    async def say(self, **members: object) -> None:
        """Send a message."""
        await self.frame(msgspec.json.encode({"jsonrpc": "2.0", **members}).decode())

    async def frame(self, text: str) -> None:
        """Send a text frame."""
        await self.said.send({"type": "websocket.receive", "text": text})

    async def event(self) -> Json:
        """The next event of ASGI."""
        return await self.heard.receive()

    async def message(self) -> Json:
        """The next message."""
        event = await self.event()
        assert event["type"] == "websocket.send", event
        decoded: Json = msgspec.json.decode(event["text"])
        return decoded

    async def hear(self) -> Json:
        """The next message about calls and questions."""
        while "list_changed" in (message := await self.message()).get("method", ""):
            pass
        return message

    def leave(self) -> None:
        """Go, as who closes the connection."""
        self.said.send_nowait({"type": "websocket.disconnect", "code": 1000})


@asynccontextmanager
async def open_frames(app: ASGIApp, nursery: trio.Nursery, address: str = "127.0.0.1", **scope: object) -> AsyncGenerator[FramesClient]:
    """Ask for a WebSocket; leaving the block closes it. What comes first is `FramesClient.event`."""
    into, receive = trio.open_memory_channel[Json](1000)
    outof, heard = trio.open_memory_channel[Json](1000)
    given: Mapping[str, object] = {
        "type": "websocket",
        "path": "/mcp",
        "headers": [(b"host", b"localhost")],
        "client": (address, 50000),
        "subprotocols": ["mcp"],
        "extensions": {"websocket.http.response": {}},
    }

    async def send(event: Any) -> None:
        await outof.send(event)

    nursery.start_soon(app, dict(given) | scope, receive.receive, send)
    into.send_nowait({"type": "websocket.connect"})
    client = FramesClient(into, heard)
    try:
        yield client
    finally:
        client.leave()
