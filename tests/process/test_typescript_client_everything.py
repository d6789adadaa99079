"""A client and a server that are not written in Python, with the gateway between them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import trio

from sluicegate import Builder

pytestmark = pytest.mark.slow

MODULES = Path(".cache/npm/node_modules/@modelcontextprotocol").absolute()
CLIENT = Path(__file__).parent / "children" / "client.mjs"


async def test_a_client_on_the_typescript_sdk_is_served_as_by_the_server_itself() -> None:
    server = ["node", str(MODULES / "server-everything/dist/index.js"), "stdio"]
    with trio.fail_after(30):
        async with Builder("x").backend("all", server).open(strict=True) as gateway, trio.open_nursery() as nursery:
            (url,) = await nursery.start(gateway.serve)
            command = ["node", str(CLIENT), str(MODULES / "sdk/dist/esm"), f"{url}/mcp"]
            done = await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)
            nursery.cancel_scope.cancel()
    said = json.loads(done.stdout)
    assert said["protocol"] == "2025-11-25"
    assert said["capabilities"] == {
        "tools": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "prompts": {"listChanged": True},
        "completions": {},
        "logging": {},
        "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
    }
    assert {"all_echo", "all_get-sum"} <= set(said["tools"])
    assert said["echo"] == "Echo: grüezi"
    assert said["progress"] == [1, 2, 3, 4]
    assert "changed my mind" in said["aborted"]
    listed, read = said["resource"]
    assert listed == read
    assert listed.startswith("all+demo://")
    assert said["completion"] == ["Engineering"]
    assert said["mistake"] == [-32602, "MCP error -32602: Unknown tool: nobody_has_this"]
