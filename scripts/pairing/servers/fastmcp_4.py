"""A server on fastmcp 4, with each feature once."""

# ruff: noqa: D103, PLW0603  a function here is a tool, its docstring what is listed; some handlers have no public door

import asyncio
import itertools
import sys

from fastmcp import Context, FastMCP

server = FastMCP("fastmcp")
cancelled = 0
numbers = itertools.count()


@server.tool
async def echo(text: str) -> str:
    return f"echo {text}"


@server.tool
async def progress(ctx: Context) -> str:
    for step in range(1, 4):
        await ctx.report_progress(step, 3)
        await asyncio.sleep(0.02)
    return "done"


@server.tool
async def log(ctx: Context) -> str:
    await ctx.warning("a line")
    return "logged"


@server.tool
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


@server.tool
async def sample(ctx: Context) -> str:
    return (await ctx.sample("Say hi")).text or ""


@server.tool
async def elicit(ctx: Context) -> str:
    got = await ctx.elicit("Who?", response_type=str)
    return f"{got.action} {got.data}" if got.action == "accept" else got.action


@server.tool
async def roots(ctx: Context) -> str:
    return str((await ctx.list_roots())[0].uri)


@server.tool
async def grow() -> str:
    server.tool(lambda: "grown", name=f"grown_{next(numbers)}")
    return "grew"


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


@server.prompt
def greet(name: str) -> str:
    return f"Hello {name}"


where = {"transport": "http", "port": int(sys.argv[1])} if len(sys.argv) > 1 else {}
server.run(show_banner=False, log_level="ERROR", **where)
