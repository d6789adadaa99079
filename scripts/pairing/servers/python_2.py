"""A server on MCPServer of the SDK 2.x, with each feature once: what asks does so as the client's revision has it."""

# ruff: noqa: D103, PLW0603, SLF001  a function here is a tool, its docstring what is listed; some handlers have no public door

import asyncio
import itertools
import sys
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, RequestStateSecurity, Resolve, Sample
from mcp.types import (
    Completion,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestURLParams,
    EmptyResult,
    InputRequiredResult,
    ListRootsResult,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel

server = MCPServer(
    "python-2", log_level="ERROR", request_state_security=RequestStateSecurity(keys=[b"a key for tests, of 32 and more bytes"])
)
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


def ask_model() -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text="Say hi"))], max_tokens=10)


def ask_name() -> Elicit[Name]:
    return Elicit("Who?", Name)


def ask_roots() -> ListRoots:
    return ListRoots()


@server.tool()
async def sample(said: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    return getattr(said.content, "text", "")


@server.tool()
async def elicit(said: Annotated[Name, Resolve(ask_name)]) -> str:
    return f"accept {said.name}"


@server.tool()
async def roots(said: Annotated[ListRootsResult, Resolve(ask_roots)]) -> str:
    return str(said.roots[0].uri)


@server.tool()
async def elicit_url(ctx: Context) -> str | InputRequiredResult:
    if ctx.request_context.protocol_version < "2026":
        return (await ctx.elicit_url("Go", "https://example.com/x", "e1")).action
    if ctx.input_responses and "q" in ctx.input_responses:
        return getattr(ctx.input_responses["q"], "action", "")
    params = ElicitRequestURLParams(message="Go", url="https://example.com/x", elicitation_id="e1")
    return InputRequiredResult(input_requests={"q": ElicitRequest(params=params)})


@server.tool()
async def grow(ctx: Context) -> str:
    server.add_tool(lambda: "grown", name=f"grown_{next(numbers)}")
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return "grew"


@server.tool()
async def touch(ctx: Context) -> str:
    await ctx.session.send_resource_updated("demo://item")
    await ctx.notify_resource_updated("demo://item")
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


async def nothing(_ctx: Any, _params: Any) -> EmptyResult:
    return EmptyResult()


for method, params in (
    ("logging/setLevel", SetLevelRequestParams),
    ("resources/subscribe", SubscribeRequestParams),
    ("resources/unsubscribe", UnsubscribeRequestParams),
):
    server._lowlevel_server.add_request_handler(method, params, nothing)
if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run()
