"""A server of the MCP SDK for tests of one road to it: what comes back, what comes before that, and what is taken back."""

from __future__ import annotations

import msgspec
import trio
from mcp.server.mcpserver import Context, MCPServer

from sluicegate.backends.handshake import read_offer, shake_hands
from sluicegate.backends.session import BackendSession
from sluicegate.protocol.calls import Back, Call
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.offers import TOOLS

__all__ = ["greet", "road_server", "tool"]


def road_server(cancelled: list[str]) -> MCPServer:
    """The server; ``cancelled`` gets the name of each tool that is cancelled."""
    server = MCPServer("real")

    @server.tool()
    async def echo(text: str) -> str:
        return text

    @server.tool()
    async def count(ctx: Context) -> str:
        for step in range(3):
            await ctx.report_progress(step, 3)
        return "counted"

    @server.tool()
    async def hang() -> str:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            cancelled.append("hang")
            raise

    return server


async def greet(session: BackendSession) -> None:
    """Shake hands, and see that the tools are listed."""
    hello = await shake_hands(session, name="test", version="1")
    offer = await read_offer(session, hello, backend="real")
    assert [item.key for item in offer.lists[TOOLS]] == ["echo", "count", "hang"]


def tool(name: str, back: Back, **arguments: object) -> Call:
    """A call of one of them, with a progress token."""
    params = {"name": name, "arguments": arguments, "_meta": {"progressToken": "t"}}
    return Call("tools/call", name, {key: Raw(msgspec.json.encode(value)) for key, value in params.items()}, back=back)
