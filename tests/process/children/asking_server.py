"""A server made with the MCP SDK that asks its client in every way there is; on stdio: ``python asking_server.py``."""

from __future__ import annotations

import trio
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import SamplingMessage, TextContent
from pydantic import BaseModel


class Name(BaseModel):
    """What is asked for."""

    name: str


def make() -> MCPServer:
    """A new server."""
    server = MCPServer("curious")

    @server.tool()
    async def who(ctx: Context) -> str:
        """Ask a person."""
        answer = await ctx.elicit("who are you?", Name)
        return answer.data.name if answer.action == "accept" else answer.action

    @server.tool()
    async def think(ctx: Context, about: str) -> str:
        """Ask a model."""
        message = SamplingMessage(role="user", content=TextContent(type="text", text=about))
        answer = await ctx.session.create_message([message], max_tokens=10)
        assert isinstance(answer.content, TextContent)
        return answer.content.text

    @server.tool()
    async def where(ctx: Context) -> str:
        """Ask for the roots."""
        return " ".join(str(root.uri) for root in (await ctx.session.list_roots()).roots)

    return server


if __name__ == "__main__":
    trio.run(make().run_stdio_async)
