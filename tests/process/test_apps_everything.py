"""A server of views made with the protocol's own library, twice behind one gateway: everything about a view leads to its own server."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from sluicegate import Builder

pytestmark = pytest.mark.slow

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-basic-vanillajs/dist/index.js").absolute()
VIEW = "ui://get-time/mcp-app.html"
UI = {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
NEW = "2026-07-28"
PATIENCE = 30


@asynccontextmanager
async def serving(*names: str) -> AsyncGenerator[httpx2.AsyncClient, None]:
    """A gateway in front of as many of the server."""
    builder = Builder("gate")
    for name in names:
        builder = builder.backend(name, ["node", str(SERVER), "--stdio"])
    with trio.fail_after(PATIENCE):
        async with builder.open(strict=True) as gateway, trio.open_nursery() as nursery:
            (url,) = await nursery.start(gateway.serve)
            async with httpx2.AsyncClient(base_url=url) as client:
                yield client
            nursery.cancel_scope.cancel()


async def ask(client: httpx2.AsyncClient, method: str, **params: Any) -> Any:
    """The result of a request that stands for itself."""
    meta = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {"extensions": UI}}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, **params}}
    name = params.get("name", params.get("uri"))
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": NEW, "mcp-method": method}
    answer = await client.post("/mcp", json=body, headers=headers | ({} if name is None else {"mcp-name": name}))
    return json.loads(answer.content)


async def test_a_tool_leads_to_the_view_of_its_own_server() -> None:
    async with serving("a", "b") as client:
        tools = (await ask(client, "tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in tools] == ["a_get-time", "b_get-time"]
        for tool in tools:
            uri = tool["_meta"]["ui"]["resourceUri"]
            assert uri.startswith(VIEW)
            assert tool["_meta"]["ui/resourceUri"] == uri
            (contents,) = (await ask(client, "resources/read", uri=uri))["result"]["contents"]
            assert (contents["uri"], contents["mimeType"]) == (uri, "text/html;profile=mcp-app")
            assert 'callServerTool({name:"get-time"' in contents["text"]
        listed = [resource["uri"] for resource in (await ask(client, "resources/list"))["result"]["resources"]]
        assert listed == [tool["_meta"]["ui"]["resourceUri"] for tool in tools]


async def test_what_the_view_calls_is_answered_by_its_server_where_there_is_no_other_like_it() -> None:
    async with serving("a") as client:
        assert "time" in (await ask(client, "tools/call", name="get-time", arguments={}))["result"]["structuredContent"]
    async with serving("a", "b") as client:
        error = (await ask(client, "tools/call", name="get-time", arguments={}))["error"]
        assert error["message"] == "views of several backends have a tool 'get-time' (a, b); name it as the list does"
