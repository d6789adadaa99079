"""HTTP+SSE as a front on a real socket: the MCP SDK's client of that transport."""

from __future__ import annotations

import pytest
import trio
from mcp import Client
from mcp.client.sse import sse_client
from mcp_types import TextContent
from tests.kit.road_server import road_server

from sluicegate import Builder
from sluicegate.config.listen import ListenConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),  # the SDK's client's own
]


async def test_a_client_of_2024_is_served_and_its_cancellation_arrives() -> None:
    cancelled: list[str] = []
    gate = Builder("gate", "1.0").proxy(listen=ListenConfig(port=0, sse=True)).backend("b", road_server(cancelled), namespace="")
    steps: list[float] = []

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        del total, message
        steps.append(progress)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery, gate.open(strict=True) as gateway:
            (bound,) = await nursery.start(gateway.serve)
            async with Client(sse_client(f"{bound}/sse"), mode="legacy") as client:
                (content,) = (await client.call_tool("echo", {"text": "é"})).content
                assert isinstance(content, TextContent)
                assert content.text == "é"
                await client.call_tool("count", {}, progress_callback=progressed)
                assert steps == [0, 1, 2]
                with trio.move_on_after(0.3):
                    await client.call_tool("hang", {})
                with trio.move_on_after(5):
                    while not cancelled:
                        await client.call_tool("echo", {"text": "x"})
                assert cancelled == ["hang"]
            nursery.cancel_scope.cancel()
