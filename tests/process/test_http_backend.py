"""The HTTP backend against a real server on a real socket: the MCP SDK's Streamable HTTP, served by Hypercorn."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import hypercorn.config
import hypercorn.trio
import msgspec
import pytest
import trio
from mcp.server.mcpserver import Context, MCPServer
from tests.kit.heard import Heard

from sluicegate.backends.handshake import read_offer, shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.session import BackendSession
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.offers import TOOLS

pytestmark = pytest.mark.slow


def sdk_server(cancelled: list[str]) -> MCPServer:
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


@asynccontextmanager
async def served(server: MCPServer, *, json: bool) -> AsyncGenerator[str]:
    """Serve it on a free port of loopback."""
    config = hypercorn.config.Config()
    config.bind, config.errorlog, config.graceful_timeout = ["127.0.0.1:0"], logging.getLogger("quiet"), 0.1
    async with trio.open_nursery() as nursery:
        app = server.streamable_http_app(json_response=json)
        (bound,) = await nursery.start(hypercorn.trio.serve, app, config)
        yield f"{bound}/mcp"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(server: MCPServer, heard: Heard, *, json: bool) -> AsyncGenerator[BackendSession]:
    with trio.fail_after(30):
        async with served(server, json=json) as url, HttpConnector("real", url)(heard) as session:
            hello = await shake_hands(session, name="test", version="1")
            offer = await read_offer(session, hello, backend="real")
            assert [item.key for item in offer.lists[TOOLS]] == ["echo", "count", "hang"]
            yield session


def tool(name: str, heard: Heard, **arguments: object) -> Call:
    params = {"name": name, "arguments": arguments, "_meta": {"progressToken": "t"}}
    return Call("tools/call", name, {key: Raw(msgspec.json.encode(value)) for key, value in params.items()}, back=heard)


@pytest.mark.parametrize("json", [False, True])
async def test_many_calls_at_once_each_get_their_own_answer(json: bool) -> None:
    heard, replies = Heard(), {}
    async with connected(sdk_server([]), heard, json=json) as session:

        async def one(number: int) -> None:
            replies[number] = await session.request(tool("echo", heard, text=f"n{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(one, number)
    assert {number: reply.text for number, reply in replies.items()} == {number: f"n{number}" for number in range(30)}


async def test_progress_of_a_real_server_comes_back() -> None:
    heard = Heard()
    async with connected(sdk_server([]), heard, json=False) as session:
        assert (await session.request(tool("count", heard))).text == "counted"
    assert [note["params"]["progress"] for note in heard.messages] == [0, 1, 2]


async def test_a_real_server_hears_of_the_cancellation() -> None:
    heard, cancelled = Heard(), list[str]()
    async with connected(sdk_server(cancelled), heard, json=False) as session:
        with trio.move_on_after(0.3):
            await session.request(tool("hang", heard))
        with trio.move_on_after(5):
            while not cancelled:
                assert (await session.request(tool("echo", heard, text="still there"))).text == "still there"
        assert cancelled == ["hang"]
