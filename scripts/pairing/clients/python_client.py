"""The SDK for Python, 1.x and 2.x, and fastmcp's client: reads targets as JSON from stdin, writes what it saw of each feature to stdout."""

# ruff: noqa: BLE001, D102, D103  what a client makes of an answer is what is looked at; a function sees what it is called

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from typing import Any

from mcp import StdioServerParameters, types
from mcp.client.stdio import stdio_client
from pydantic import AnyUrl, FileUrl

KIND = sys.argv[1]
OLD = version("mcp").startswith("1.")
PATIENCE = 6
LEVEL = {"io.modelcontextprotocol/logLevel": "info"}


class Came:
    """What came by itself."""

    def __init__(self) -> None:
        self.notes: dict[str, list[Any]] = {}

    def add(self, kind: str, note: Any) -> None:
        self.notes.setdefault(kind, []).append(note)

    async def wait(self, kind: str) -> Any:
        for _ in range(PATIENCE * 25):
            if self.notes.get(kind):
                return self.notes[kind][0]
            await asyncio.sleep(0.02)
        return {"error": "nothing came"}

    async def message(self, message: Any) -> None:
        note = getattr(message, "root", message)
        if getattr(note, "method", "") == "notifications/tools/list_changed":
            self.add("changed", "tools")
        if getattr(note, "method", "") == "notifications/resources/updated":
            self.add("updated", str(note.params.uri))

    async def logged(self, params: Any) -> None:
        self.add("log", params.data)

    async def progressed(self, progress: float, _total: float | None, _message: str | None) -> None:
        self.add("progress", progress)


async def sampled(*_given: Any) -> Any:
    return types.CreateMessageResult(role="assistant", model="demo", content=types.TextContent(type="text", text="hi there"))


async def elicited(_context: Any, params: Any) -> Any:
    url = getattr(params, "mode", "form") == "url"
    return types.ElicitResult(action="accept", content=None if url else {"name": "Ada"})


async def rooted(_context: Any) -> Any:
    return types.ListRootsResult(roots=[types.Root(uri=FileUrl("file:///demo"), name="demo")])


async def opened(stack: AsyncExitStack, target: dict[str, Any], came: Came) -> Any:
    """A client that is connected."""
    if KIND == "fastmcp":
        from fastmcp import Client
        from fastmcp.client.transports import StdioTransport

        where: Any = StdioTransport(**target["stdio"], keep_alive=False) if "stdio" in target else target["url"]
        handlers = {"sampling_handler": _fast_sampled, "elicitation_handler": _fast_elicited, "roots": ["file:///demo"]}
        client = Client(where, log_handler=came.logged, message_handler=came.message, **handlers)
        return await stack.enter_async_context(client)
    handlers = {"sampling_callback": sampled, "elicitation_callback": elicited, "list_roots_callback": rooted}
    handlers |= {"logging_callback": came.logged, "message_handler": came.message}
    if not OLD:
        from mcp import Client

        where = stdio_client(StdioServerParameters(**target["stdio"])) if "stdio" in target else target["url"]
        mode = "legacy" if KIND == "python-2-old" else "auto"
        return await stack.enter_async_context(Client(where, mode=mode, log_level="info", **handlers))
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    transport = stdio_client(StdioServerParameters(**target["stdio"])) if "stdio" in target else streamablehttp_client(target["url"])
    read, write, *_ = await stack.enter_async_context(transport)
    session = await stack.enter_async_context(ClientSession(read, write, **handlers))
    await session.initialize()
    return session


async def _fast_sampled(*_given: Any) -> str:
    return "hi there"


async def _fast_elicited(_message: str, _type: Any, params: Any, _context: Any) -> Any:
    if getattr(params, "mode", "form") == "url":
        return types.ElicitResult(action="accept")
    return dict.fromkeys(params.requested_schema["properties"], "Ada")


async def call(client: Any, ask: dict[str, Any], **more: Any) -> Any:
    """What a tool says."""
    method = client.call_tool_mcp if KIND == "fastmcp" else client.call_tool
    if KIND == "fastmcp" and "progress_callback" in more:
        more["progress_handler"] = more.pop("progress_callback")
    got = await method(ask["tool"], ask.get("arguments", {}), **more)
    said = " ".join(part.text for part in got.content if part.type == "text")
    return {"error": said} if (got.isError if OLD else got.is_error) else said


async def listed(method: Callable[..., Awaitable[Any]], member: str) -> list[Any]:
    """A list, whole."""
    if KIND == "fastmcp":
        return list(await method())
    found: list[Any] = []
    cursor = None
    while True:
        page = await (method(cursor) if OLD else method(cursor=cursor))
        found += getattr(page, member)
        cursor = getattr(page, "nextCursor", None) or getattr(page, "next_cursor", None)
        if cursor is None:
            return found


async def tools(client: Any, _came: Came, ask: dict[str, Any]) -> Any:
    names = [tool.name for tool in await listed(client.list_tools, "tools")]
    return {"names": names, "said": await call(client, ask)}


async def read(client: Any, uri: str) -> str:
    got = await client.read_resource(AnyUrl(uri) if OLD else uri)
    return str((got if isinstance(got, list) else got.contents)[0].text)


async def resources(client: Any, _came: Came, ask: dict[str, Any]) -> Any:
    uris = [str(one.uri) for one in await listed(client.list_resources, "resources")]
    templates = await listed(client.list_resource_templates, "resourceTemplates" if OLD else "resource_templates")
    uris += [one.uriTemplate if OLD else one.uri_template for one in templates]
    return {"names": uris, "said": await read(client, ask["uri"])}


async def prompts(client: Any, _came: Came, ask: dict[str, Any]) -> Any:
    names = [one.name for one in await listed(client.list_prompts, "prompts")]
    got = await client.get_prompt(ask["prompt"], ask["arguments"])
    return {"names": names, "said": got.messages[0].content.text}


async def completion(client: Any, _came: Came, ask: dict[str, Any]) -> Any:
    ref = types.PromptReference(type="ref/prompt", name=ask["prompt"])
    got = await client.complete(ref, {"name": ask["argument"], "value": ask["value"]})
    return list(getattr(got, "completion", got).values)


async def apps(client: Any, _came: Came, ask: dict[str, Any]) -> Any:
    for tool in await listed(client.list_tools, "tools"):
        if tool.name == ask["tool"] and "ui" in (tool.meta or {}):
            uri = tool.meta["ui"]["resourceUri"]
            return {"uri": uri, "said": await read(client, uri)}
    return {"error": "no tool with a view"}


async def progress(client: Any, came: Came, ask: dict[str, Any]) -> Any:
    said = await call(client, ask, progress_callback=came.progressed)
    await asyncio.sleep(0.1)
    return {"said": said, "notes": came.notes.get("progress", [])}


async def log(client: Any, came: Came, ask: dict[str, Any]) -> Any:
    try:
        await client.set_logging_level("info")
        await call(client, ask)
    except Exception:
        await call(client, ask, meta=LEVEL)
    return await came.wait("log")


async def cancel(client: Any, _came: Came, ask: dict[str, Any]) -> Any:
    if OLD:  # this one sends nothing when a call is given up
        return {"absent": "the client has no way to say it"}
    before = await call(client, {"tool": ask["then"]})
    with suppress(TimeoutError):
        await asyncio.wait_for(call(client, ask), 0.3)
    await asyncio.sleep(0.3)
    after = await call(client, {"tool": ask["then"]})
    return {"error": "it was not told to the tool"} if before == after else "told"


async def subscribe(client: Any, came: Came, ask: dict[str, Any]) -> Any:
    session = client.session if KIND == "fastmcp" else client
    if not OLD and modern(client):
        async with listening(client, resource_subscriptions=[ask["uri"]]) as stream:
            await call(client, ask)
            event = await anext(aiter(stream))
            return str(event.uri)
    await session.subscribe_resource(AnyUrl(ask["uri"]) if OLD else ask["uri"])
    await call(client, ask)
    return await came.wait("updated")


async def list_changed(client: Any, came: Came, ask: dict[str, Any]) -> Any:
    if not OLD and modern(client):
        async with listening(client, tools_list_changed=True) as stream:
            await call(client, ask)
            await anext(aiter(stream))
            return "tools"
    await call(client, ask)
    return await came.wait("changed")


def modern(client: Any) -> bool:
    return str(getattr(client.session, "protocol_version", "")) >= "2026"


def listening(client: Any, **wanted: Any) -> Any:
    from mcp.client.subscriptions import listen

    return listen(client.session, **{"tools_list_changed": False, "resource_subscriptions": (), **wanted})


async def asking(client: Any, _came: Came, ask: dict[str, Any]) -> Any:
    return await call(client, ask)


FEATURES: dict[str, Callable[..., Awaitable[Any]]] = {
    "tools": tools, "resources": resources, "prompts": prompts, "completion": completion, "apps": apps, "progress": progress, "log": log,
    "sampling": asking, "elicitation": asking, "url": asking, "roots": asking,
    "cancel": cancel, "subscribe": subscribe, "list_changed": list_changed,
}  # fmt: skip


def failure(error: BaseException) -> dict[str, str]:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return {"error": " ".join(str(error).split()) or type(error).__name__}


async def look(target: dict[str, Any]) -> dict[str, Any]:
    """What is seen of each feature."""
    found: dict[str, Any] = {}
    asks = target["asks"]
    try:
        async with AsyncExitStack() as stack:
            came = Came()
            client = await opened(stack, target, came)
            for feature, see in FEATURES.items():
                if feature in asks:
                    came.notes.clear()
                    try:
                        found[feature] = await asyncio.wait_for(see(client, came, asks[feature]), PATIENCE)
                    except Exception as error:
                        found[feature] = failure(error)
    except Exception as error:
        return {feature: failure(error) for feature in asks} | found
    return found


async def main() -> None:
    """From target to target."""
    print(json.dumps([await look(target) for target in json.load(sys.stdin)]))


asyncio.run(main())
