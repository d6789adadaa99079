"""A server of the SDK that says which level of its log it was told, in its child process; and the reference server, which takes one."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from sluicegate import Builder
from sluicegate.testing.line_client import LineClient, open_line_client

pytestmark = pytest.mark.slow

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js").absolute()
PROGRAM = """
import trio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolResult, EmptyResult, ListToolsResult, TextContent, Tool

said = []


async def take(ctx, params):
    said.append(params.level)
    return EmptyResult()


async def tools(ctx, params):
    return ListToolsResult(tools=[Tool(name="said", input_schema={"type": "object"})])


async def call(ctx, params):
    return CallToolResult(content=[TextContent(type="text", text=" ".join(said))])


async def main():
    server = Server("quiet", on_set_logging_level=take, on_list_tools=tools, on_call_tool=call)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


trio.run(main)
"""


@asynccontextmanager
async def client_of(command: list[str], **settings: Any) -> AsyncGenerator[LineClient, None]:
    """A client on stdio, in front of the backend ``b``."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with Builder("x").backend("b", command, **settings).open(strict=True) as gateway, trio.open_nursery() as nursery:
        async with open_line_client(gateway.serve_stdio, nursery) as client:
            assert "logging" in (await ask(client, "initialize", **hello))["result"]["capabilities"]
            await client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            yield client
        nursery.cancel_scope.cancel()


async def ask(client: LineClient, method: str, **params: object) -> Any:
    """The answer to a request; what comes before it is of no interest."""
    await client.send({"jsonrpc": "2.0", "id": method, "method": method, "params": params})
    while True:
        message = await client.next()
        if message.get("id") == method:
            return message


@pytest.mark.parametrize("sessions", ["shared", "per_client"])
async def test_a_server_of_the_sdk_is_told_which_level_its_client_wants(sessions: str, tmp_path: Path) -> None:
    program = tmp_path / "quiet.py"
    program.write_text(PROGRAM)
    with trio.fail_after(60):
        async with client_of([sys.executable, str(program)], sessions=sessions) as client:
            for level in ("error", "debug"):
                assert (await ask(client, "logging/setLevel", level=level))["result"] == {}
            said = (await ask(client, "tools/call", name="b_said", arguments={}))["result"]["content"][0]["text"]
            assert said == ("error debug" if sessions == "shared" else "debug")


async def test_the_reference_server_takes_a_level(caplog: pytest.LogCaptureFixture) -> None:
    with trio.fail_after(60):
        async with client_of(["node", str(SERVER), "stdio"]) as client:
            assert (await ask(client, "logging/setLevel", level="debug"))["result"] == {}
            with trio.fail_after(20):
                await ask(client, "tools/call", name="b_toggle-simulated-logging", arguments={})
    assert "does not take a level" not in caplog.text
