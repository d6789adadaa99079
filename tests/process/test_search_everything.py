"""Real servers behind a search: every tool is found by its own name, and called through it as it is called directly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from sluicegate import Builder

pytestmark = pytest.mark.slow

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js").absolute()
PATIENCE = 60


async def test_tools_of_real_servers_are_found_and_called() -> None:
    """DISC-3, DISC-6."""
    time_server = str(Path(sys.executable).with_name("mcp-server-time"))
    builder = Builder("x").proxy(tool_exposure="search")
    builder.backend("ev", ["node", str(SERVER), "stdio"]).backend("time", [time_server, "--local-timezone", "UTC"])
    with trio.fail_after(PATIENCE):
        async with builder.open() as gateway:
            await gateway.ready()
            names = list(gateway.catalogue.findable.tools)
            for name in names:
                reply: Any = await gateway.call_tool("proxy_search_tools", {"query": name, "top_k": 3})
                assert name in [tool["name"] for tool in reply.value["structuredContent"]["tools"]]
            assert len(names) > 8
            first: Any = await gateway.call_tool("proxy_search_tools", {"query": "what time is it in Tokyo, as a timezone"})
            assert first.value["structuredContent"]["tools"][0]["server"] == "time"
            for name, arguments in (
                ("ev_echo", {"message": "hello"}),
                ("ev_get-sum", {"a": 1}),
                ("time_get_current_time", {"timezone": "?"}),
            ):
                through = await gateway.call_tool("proxy_call_tool", {"name": name, "arguments": arguments})
                assert through.value == (await gateway.call_tool(name, arguments)).value
