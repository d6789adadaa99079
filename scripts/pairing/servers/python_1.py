"""A server on FastMCP of the SDK 1.x, with each feature once."""

# ruff: noqa: D103, PLW0603, SLF001  a function here is a tool, its docstring what is listed; some handlers have no public door

import asyncio
import itertools
import sys
from typing import Any

from mcp.server.fastmcp import Context, FastMCP
from mcp.types import Completion, ModelHint, ModelPreferences, SamplingMessage, TextContent
from pydantic import AnyUrl, BaseModel

server = FastMCP("python-1", log_level="ERROR")
cancelled = 0
numbers = itertools.count()


class Name(BaseModel):
    """What is asked for."""

    name: str


@server.tool()
async def echo(text: str) -> str:
    return f"echo {text}"


@server.tool()
async def progress(ctx: Context) -> str:
    for step in range(1, 4):
        await ctx.report_progress(step, 3)
        await asyncio.sleep(0.02)
    return "done"


@server.tool()
async def log(ctx: Context) -> str:
    await ctx.warning("a line")
    return "logged"


@server.tool()
async def slow() -> str:
    global cancelled
    try:
        await asyncio.sleep(8)
    except asyncio.CancelledError:
        cancelled += 1
        raise
    return "slept"


@server.tool(name="cancelled")
async def count() -> str:
    return str(cancelled)


@server.tool()
async def sample(ctx: Context) -> str:
    say = SamplingMessage(role="user", content=TextContent(type="text", text="Say hi"))
    hints = ModelPreferences(hints=[ModelHint(name="demo")])
    got = await ctx.session.create_message([say], max_tokens=10, model_preferences=hints, related_request_id=ctx.request_id)
    return getattr(got.content, "text", "")


@server.tool()
async def elicit(ctx: Context) -> str:
    got = await ctx.elicit("Who?", Name)
    return f"{got.action} {got.data.name}" if got.action == "accept" else got.action


@server.tool()
async def elicit_url(ctx: Context) -> str:
    got = await ctx.elicit_url("Go", "https://example.com/x", "e1")
    return got.action


@server.tool()
async def roots(ctx: Context) -> str:
    return str((await ctx.session.list_roots()).roots[0].uri)


@server.tool()
async def grow(ctx: Context) -> str:
    server.add_tool(lambda: "grown", name=f"grown_{next(numbers)}")
    await ctx.session.send_tool_list_changed()
    return "grew"


@server.tool()
async def touch(ctx: Context) -> str:
    await ctx.session.send_resource_updated(AnyUrl("demo://item"))
    return "touched"


@server.tool(meta={"ui": {"resourceUri": "ui://demo/view"}})
async def view() -> str:
    return "shown"


@server.resource("demo://item")
def item() -> str:
    return "of demo://item"


@server.resource("ui://demo/view", mime_type="text/html;profile=mcp-app")
def page() -> str:
    return "of ui://demo/view"


@server.resource("demo://thing/{id}")
def thing(id: str) -> str:
    return f"of demo://thing/{id}"


@server.prompt()
def greet(name: str) -> str:
    return f"Hello {name}"


@server.completion()
async def complete(_ref: Any, argument: Any, _context: Any) -> Completion:
    return Completion(values=[name for name in ("Ada", "Alan", "Bob") if name.startswith(argument.value)])


@server._mcp_server.subscribe_resource()
async def subscribe(_uri: AnyUrl) -> None: ...


@server._mcp_server.unsubscribe_resource()
async def unsubscribe(_uri: AnyUrl) -> None: ...


@server._mcp_server.set_logging_level()
async def level(_level: Any) -> None: ...


if len(sys.argv) > 1:
    server.settings.port = int(sys.argv[1])
server.run("streamable-http" if len(sys.argv) > 1 else "stdio")
