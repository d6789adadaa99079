"""The MCP SDK for Python, 1.x and 2.x: reads targets as JSON from stdin, writes what it got from each to stdout."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

OLD = version("mcp").startswith("1.")
SECONDS = 12


async def opened(stack: AsyncExitStack, target: dict[str, Any]) -> Any:
    """A client that has shaken hands."""
    if OLD:
        from mcp import ClientSession
        from mcp.client.streamable_http import streamablehttp_client

        transport = stdio_client(StdioServerParameters(**target["stdio"])) if "stdio" in target else streamablehttp_client(target["url"])
        read, write, *_ = await stack.enter_async_context(transport)
        session = await stack.enter_async_context(ClientSession(read, write))
        await session.initialize()
        return session
    from mcp import Client

    where = StdioServerParameters(**target["stdio"]) if "stdio" in target else target["url"]
    return await stack.enter_async_context(Client(stdio_client(where) if "stdio" in target else where))


def plain(value: Any) -> Any:
    """A model of the SDK as JSON."""
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


async def tried(awaitable: Awaitable[Any]) -> Any:
    """What came of it, also where that is an error."""
    try:
        return plain(await asyncio.wait_for(awaitable, SECONDS))
    except Exception as error:  # noqa: BLE001  what a client makes of an answer is what is looked at
        return {"error": " ".join(str(error).split())}


async def listed(ask: Callable[..., Awaitable[Any]], member: str) -> Any:
    """A list, all its pages."""
    found = []
    cursor = None
    while True:
        page = await tried(ask(cursor) if OLD else ask(cursor=cursor))
        if "error" in page:
            return page
        found += page[member]
        cursor = page.get("nextCursor")
        if cursor is None:
            return found


def asking(client: Any, ask: dict[str, Any]) -> Awaitable[Any]:
    """One question to a server."""
    if ask["do"] == "call":
        return client.call_tool(ask["name"], ask["arguments"])
    if ask["do"] == "read":
        return client.read_resource(ask["name"])
    return client.get_prompt(ask["name"], ask["arguments"])


async def talk(target: dict[str, Any]) -> dict[str, Any]:
    """All that there is at a target."""
    async with AsyncExitStack() as stack:
        client = await opened(stack, target)
        return {
            "tools": await listed(client.list_tools, "tools"),
            "resources": await listed(client.list_resources, "resources"),
            "resourceTemplates": await listed(client.list_resource_templates, "resourceTemplates"),
            "prompts": await listed(client.list_prompts, "prompts"),
            "asked": [await tried(asking(client, ask)) for ask in target["asks"]],
        }


async def main() -> None:
    """From target to target."""
    print(json.dumps([await talk(target) for target in json.load(sys.stdin)]))


asyncio.run(main())
