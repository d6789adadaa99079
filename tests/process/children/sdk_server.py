"""A server made with the MCP SDK that has something of every kind.

Run as a program, on stdio: ``python sdk_server.py``. Tests that want it in their own process load it and call `make`.
"""

from __future__ import annotations

import trio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceLink, ResourceTemplateReference

NAMES = ["ada", "alan", "grace"]


def make() -> MCPServer:
    """A new server; how its ``hang`` tool fares is told by its ``heard`` tool."""
    server = MCPServer("peer", instructions="Ask for ada.")
    _add_tools(server)
    _add_the_rest(server)
    return server


def _add_tools(server: MCPServer) -> None:
    heard: list[str] = []

    @server.tool()
    async def echo(text: str) -> str:
        """Say it again."""
        return text

    @server.tool()
    async def fail() -> str:
        """Report a tool error."""
        raise ToolError("it did not work")

    @server.tool()
    async def count(ctx: Context, to: int) -> int:
        """Count, with progress."""
        for step in range(1, to + 1):
            await ctx.report_progress(step, to, f"{step} of {to}")
        return to

    @server.tool()
    async def hang(ctx: Context) -> str:
        """Say that it runs, then never answer."""
        heard.append("started")
        await ctx.report_progress(0, 1)
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            heard.append("cancelled")
            raise

    @server.tool(name="heard")
    async def what_was_heard() -> str:
        """What happened to ``hang``."""
        return " ".join(heard)

    @server.tool()
    async def find(name: str) -> ResourceLink:
        """Link to a person's note."""
        return ResourceLink(type="resource_link", uri=f"note://people/{name}", name=name)

    @server.tool()
    async def grow(ctx: Context, name: str) -> str:
        """Offer one more tool, and tell."""
        server.add_tool(echo, name=name)
        await ctx.session.send_tool_list_changed()
        return name


def _add_the_rest(server: MCPServer) -> None:
    @server.resource("note://welcome", mime_type="text/plain")
    async def welcome() -> str:
        """A note."""
        return "hello"

    @server.resource("note://people/{name}", mime_type="text/plain")
    async def person(name: str) -> str:
        """A note on a person."""
        return f"about {name}"

    @server.prompt()
    async def greet(name: str) -> str:
        """Greet somebody."""
        return f"Say hello to {name}."

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
    async def complete(
        ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: CompletionContext | None
    ) -> Completion:
        """Complete a name."""
        del ref, context
        return Completion(values=[name for name in NAMES if name.startswith(argument.value)])


if __name__ == "__main__":
    trio.run(make().run_stdio_async)
