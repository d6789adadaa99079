"""A client of 2024 over HTTP+SSE: one stream on which everything comes, and a POST for each message."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import attrs
import httpx2
import msgspec
import trio
from tests.kit.asgi import AsgiTransport

from sluicegate.http1.asgi import ASGIApp
from sluicegate.protocol.sse import Event, EventParser

__all__ = ["OldClient", "open_old_client"]

Json = dict[str, Any]


@attrs.define(eq=False)
class OldClient:
    """What tells of changed lists is passed over by `hear`."""

    http: httpx2.AsyncClient
    send: trio.MemorySendChannel[Event]
    events: trio.MemoryReceiveChannel[Event]
    endpoint: str = ""
    """Where messages are posted."""
    statuses: list[int] = attrs.field(factory=list)
    """Of the POSTs."""
    reading: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Of the stream."""
    ended: trio.Event = attrs.field(factory=trio.Event)

    async def say(self, **members: object) -> None:
        """Post a message, which must be taken."""
        assert (await self.post(msgspec.json.encode({"jsonrpc": "2.0", **members}))).status_code == 202

    async def post(self, content: bytes, **headers: str) -> httpx2.Response:
        """Post what may be a message."""
        kind = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(self.endpoint, content=content, headers=kind)

    async def message(self) -> Json:
        """The next message."""
        decoded: Json = msgspec.json.decode((await self.events.receive()).data)
        return decoded

    async def hear(self) -> Json:
        """The next message about calls and questions."""
        while "list_changed" in (message := await self.message()).get("method", ""):
            pass
        return message

    async def read(self, headers: dict[str, str], *, task_status: trio.TaskStatus[None]) -> None:
        """Keep the stream open; begun when it has named the address."""
        parser = EventParser(1 << 24)
        with self.reading:
            asked = self.http.stream("GET", "/sse", headers={"accept": "text/event-stream"} | headers)
            async with asked as response, aclosing(response.aiter_raw()) as chunks:
                assert response.status_code == 200, response.status_code
                async for chunk in chunks:
                    for event in parser.feed(chunk):
                        assert isinstance(event, Event)
                        if event.name == "endpoint":
                            self.endpoint = event.data.decode()
                            task_status.started()
                        elif event.data:
                            await self.send.send(event)
        self.ended.set()


@asynccontextmanager
async def open_old_client(app: ASGIApp, nursery: trio.Nursery, address: str = "127.0.0.1", **headers: str) -> AsyncGenerator[OldClient]:
    """Open the stream; leaving the block closes it."""
    transport = AsgiTransport(app, nursery, client=(address, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None) as http:
        client = OldClient(http, *trio.open_memory_channel[Event](1000))
        await nursery.start(client.read, headers)
        try:
            yield client
        finally:
            client.reading.cancel()
