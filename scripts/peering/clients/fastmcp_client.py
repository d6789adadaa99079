"""The client of fastmcp: reads targets as JSON from stdin, writes what it got from each to stdout."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

SECONDS = 12


def plain(value: Any) -> Any:
    """A model of the SDK as JSON."""
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


async def tried(awaitable: Awaitable[Any]) -> Any:
    """What came of it, also where that is an error."""
    try:
        return plain(await asyncio.wait_for(awaitable, SECONDS))
    except Exception as error:  # noqa: BLE001  what a client makes of an answer is what is looked at
        return {"error": " ".join(str(error).split())}


def asking(client: Any, ask: dict[str, Any]) -> Awaitable[Any]:
    """One question to a server."""
    if ask["do"] == "call":
        return client.call_tool_mcp(ask["name"], ask["arguments"])
    if ask["do"] == "read":
        return client.read_resource_mcp(ask["name"])
    return client.get_prompt_mcp(ask["name"], ask["arguments"])


async def talk(target: dict[str, Any]) -> dict[str, Any]:
    """All that there is at a target."""
    where = StdioTransport(**target["stdio"], keep_alive=False) if "stdio" in target else target["url"]
    async with Client(where) as client:
        return {
            "tools": await tried(client.list_tools()),
            "resources": await tried(client.list_resources()),
            "resourceTemplates": await tried(client.list_resource_templates()),
            "prompts": await tried(client.list_prompts()),
            "asked": [await tried(asking(client, ask)) for ask in target["asks"]],
        }


async def main() -> None:
    """From target to target."""
    print(json.dumps([await talk(target) for target in json.load(sys.stdin)]))


asyncio.run(main())
