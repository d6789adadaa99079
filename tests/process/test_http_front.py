"""The HTTP front on real sockets, on both servers, with the MCP SDK's client, and with one that stops reading."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from sluicegate.frontends.app import App
from sluicegate.frontends.endpoint import Endpoint
from sluicegate.http1.server.server import serve as serve_natively
from sluicegate.hypercorn.server import serve as serve_with_hypercorn
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Malformed, Raw, decode_object, encode, encode_notification
from sluicegate.routing.directory import Directory

pytestmark = pytest.mark.slow
LARGE = 8_000_000
SERVERS = [pytest.param(serve_natively, id="native"), pytest.param(serve_with_hypercorn, id="hypercorn")]
Serve = Callable[..., Awaitable[None]]


async def answer(call: Call) -> Reply:
    meta = decode_object(call.params.get("_meta", b"{}"))
    if not isinstance(meta, Malformed) and "progressToken" in meta:
        call.back.note(encode_notification("notifications/progress", {"progressToken": meta["progressToken"], "progress": Raw(b"0.5")}))
    await trio.lowlevel.checkpoint()
    text = "x" * LARGE if call.target == "large" else f"hello from {call.target}"
    return Reply(Raw(encode({"content": [{"type": "text", "text": text}]})))


@attrs.define(eq=False)
class Front:
    app: App
    url: str
    stop: Callable[[], None]


@asynccontextmanager
async def open_front(serve: Serve, grace: float) -> AsyncGenerator[Front, None]:
    """The nurseries as the gateway has them: when the block is left, connections get that many seconds."""
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as calls, trio.open_nursery() as accept:
            app = App(Endpoint("gate", "1", answer, Directory(), trio.lowlevel.checkpoint, calls))
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

            async def accepting(*, task_status: trio.TaskStatus[list[str]]) -> None:
                await serve(app, listeners, connections=connections, task_status=task_status)

            (url,) = await accept.start(accepting)
            yield Front(app, url, accept.cancel_scope.cancel)
            app.drain()
            accept.cancel_scope.cancel()
        connections.cancel_scope.deadline = trio.current_time() + grace


@pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning")  # the SDK's client
@pytest.mark.filterwarnings("ignore:Async generator 'httpx2:ResourceWarning")  # leaves streams half-read
@pytest.mark.parametrize("serve", SERVERS)
async def test_the_sdk_client_talks_to_it(serve: Serve) -> None:
    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(progress)

    with trio.fail_after(20):
        async with open_front(serve, 2) as front, Client(streamable_http_client(f"{front.url}/mcp"), mode="legacy") as client:
            assert client.server_info is not None
            assert client.server_info.name == "gate"
            plain = await client.session.send_ping()
            assert plain is not None
            result = await client.call_tool("there", {}, progress_callback=on_progress)
            assert result.content[0].type == "text"
            assert result.content[0].text == "hello from there"
            assert heard == [0.5]
            assert len(front.app.sessions) == 1


@pytest.mark.parametrize("serve", SERVERS)
async def test_a_client_that_stops_reading_cannot_block_shutdown(serve: Serve) -> None:
    with trio.fail_after(20):
        async with open_front(serve, 0.5) as front:
            headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
            opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}
            async with httpx2.AsyncClient(headers=headers) as http:
                session = (await http.post(f"{front.url}/mcp", json=opening)).headers["mcp-session-id"]
                await http.post(
                    f"{front.url}/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers={"mcp-session-id": session}
                )
            host, port = front.url.removeprefix("http://").split(":")
            deaf = await trio.open_tcp_stream(host, int(port))
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "large"}}).encode()
            head = f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nMcp-Session-Id: {session}\r\nContent-Length: {len(body)}\r\n\r\n"
            await deaf.send_all(head.encode() + body)
            assert (await deaf.receive_some(16)).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
        took = time.monotonic() - began
    await deaf.aclose()
    assert took < 5
