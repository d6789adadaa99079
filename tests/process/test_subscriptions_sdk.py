"""Resources of the SDK's own servers are subscribed to: with a session and without one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.kit.sdk_server import SdkServer

from sluicegate import Builder
from sluicegate.testing.line_client import LineClient, open_line_client

pytestmark = pytest.mark.slow

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js").absolute()
PROGRAM = """
from mcp.server.mcpserver import Context, MCPServer


def make() -> MCPServer:
    server = MCPServer("touched")

    @server.resource("test://a")
    def a() -> str:
        return "a"

    @server.tool()
    async def touch(uri: str, ctx: Context) -> str:
        await ctx.notify_resource_updated(uri)
        return "done"

    return server
"""


@asynccontextmanager
async def client_of(source: Any, **settings: Any) -> AsyncGenerator[LineClient, None]:
    """A client on stdio, in front of the backend ``b``."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with Builder("x").backend("b", source, **settings).open(strict=True) as gateway, trio.open_nursery() as nursery:
        async with open_line_client(gateway.serve_stdio, nursery) as client:
            capabilities = (await ask(client, 0, "initialize", **hello))["result"]["capabilities"]
            assert capabilities["resources"] == {"listChanged": True, "subscribe": True}
            await client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            yield client
        nursery.cancel_scope.cancel()


async def ask(client: LineClient, id: int, method: str, **params: object) -> Any:
    """The answer to a request; what comes before it is of no interest."""
    await client.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    while True:
        message = await client.next()
        if message.get("id") == id:
            return message


async def updated(client: LineClient) -> str:
    """What is told to have changed next."""
    while True:
        message = await client.next()
        if message.get("method") == "notifications/resources/updated":
            return str(message["params"]["uri"])


async def test_the_reference_server_tells_of_what_a_client_has_subscribed_to() -> None:
    uri = "b+demo://resource/static/document/features.md"
    with trio.fail_after(60):
        async with client_of(["node", str(SERVER), "stdio"]) as client:
            assert (await ask(client, 1, "resources/subscribe", uri=uri))["result"] == {}
            await ask(client, 2, "tools/call", name="b_toggle-subscriber-updates", arguments={})
            assert await updated(client) == uri
            assert (await ask(client, 3, "resources/unsubscribe", uri=uri))["result"] == {}


async def test_a_server_without_sessions_tells_a_client_with_one(tmp_path: Path) -> None:
    file = tmp_path / "touched.py"
    file.write_text(PROGRAM, encoding="utf-8")
    with trio.fail_after(60):
        async with SdkServer(file).over_http() as url, client_of(url, revision="2026-07-28") as client:
            assert (await ask(client, 1, "resources/subscribe", uri="b+test://a"))["result"] == {}
            await client.send(
                {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "b_touch", "arguments": {"uri": "test://a"}}}
            )
            assert await updated(client) == "b+test://a"
