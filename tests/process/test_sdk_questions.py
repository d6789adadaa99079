"""The MCP SDK asks and answers through the gateway: its server behind, its client in front, over pipes and sockets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CallToolResult,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    Root,
    TextContent,
)
from pydantic import FileUrl
from tests.kit.sdk_server import SdkServer

from sluicegate import Builder
from sluicegate.gateway.builder import Source
from sluicegate.protocol.clientele import Clientele

pytestmark = [
    pytest.mark.slow,
    # the SDK's client leaves streams half-read; our own does not, and tests without the SDK's client would say so
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:The (sampling|roots) capability is deprecated"),
]

SERVER = SdkServer(Path(__file__).parent / "children" / "asking_server.py")
PATIENCE = 30
Peer = Callable[[], AbstractAsyncContextManager[Source]]


# -- clients


async def tell_name(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    del context
    await trio.sleep(0.01)
    return ElicitResult(action="accept", content={"name": f"Ann, who was asked {params.message}"})


async def think(context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:
    del context
    await trio.lowlevel.checkpoint()
    (message,) = params.messages
    assert isinstance(message.content, TextContent)
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text=message.content.text.upper()), model="m")


async def tell_roots(context: ClientRequestContext) -> ListRootsResult:
    del context
    await trio.lowlevel.checkpoint()
    return ListRootsResult(roots=[Root(uri=FileUrl("file:///home/ann")), Root(uri=FileUrl("file:///tmp"))])


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert not result.is_error, content.text
    return content.text


async def ask_everything(client: Client) -> None:
    assert text_of(await client.call_tool("peer_who", {})) == "Ann, who was asked who are you?"
    assert text_of(await client.call_tool("peer_think", {"about": "rain"})) == "RAIN"
    assert text_of(await client.call_tool("peer_where", {})) == "file:///home/ann file:///tmp"


async def ask_all_at_once(client: Client) -> None:
    texts: dict[str, str] = {}

    async def ask(about: str) -> None:
        texts[about] = text_of(await client.call_tool("peer_think", {"about": about}))

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(ask, f"rain {number}")
    assert texts == {about: about.upper() for about in texts}
    assert len(texts) == 20


@pytest.mark.parametrize("peer", [SERVER.in_process, SERVER.over_http, SERVER.over_stdio])
async def test_a_client_over_http_is_asked_in_every_way(peer: Peer) -> None:
    with trio.fail_after(PATIENCE):
        async with peer() as source, trio.open_nursery() as nursery:
            async with Builder("gate").backend("peer", source).open(one_client=Clientele()) as gateway:
                (url,) = await nursery.start(gateway.serve)
                http = streamable_http_client(f"{url}/mcp")
                async with Client(
                    http, mode="legacy", elicitation_callback=tell_name, sampling_callback=think, list_roots_callback=tell_roots
                ) as client:
                    await ask_everything(client)
                    await ask_all_at_once(client)
            nursery.cancel_scope.cancel()


def gate_on_stdio(folder: Path, peer: Source) -> StdioServerParameters:
    reached = (
        f'transport = "http"\nurl = "{peer}"'
        if isinstance(peer, str)
        else f'transport = "stdio"\ncommand = "{sys.executable}"\nargs = ["{SERVER.file}"]'
    )
    config = folder / "gate.toml"
    config.write_text(f'[proxy]\nname = "gate"\n\n[[backends]]\nname = "peer"\n{reached}\n')
    path = os.pathsep.join([str(Path("src").absolute()), *sys.path])
    return StdioServerParameters(
        command=sys.executable, args=["-m", "sluicegate", "run", "--stdio", "-c", str(config)], env={"PYTHONPATH": path}
    )


@pytest.mark.parametrize("peer", [SERVER.over_http, SERVER.over_stdio])
async def test_a_client_on_stdio_is_asked_in_every_way(peer: Peer, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with peer() as source:
            gate = stdio_client(gate_on_stdio(tmp_path, source))
            async with Client(
                gate, mode="legacy", elicitation_callback=tell_name, sampling_callback=think, list_roots_callback=tell_roots
            ) as client:
                await ask_everything(client)
                await ask_all_at_once(client)


@pytest.mark.parametrize("peer", [SERVER.over_http, SERVER.over_stdio])
async def test_a_client_that_can_do_nothing_is_not_asked_and_the_server_hears_why(peer: Peer, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with peer() as source, Client(stdio_client(gate_on_stdio(tmp_path, source)), mode="legacy") as client:
            for tool, arguments in (("peer_who", {}), ("peer_think", {"about": "rain"}), ("peer_where", {})):
                with pytest.raises(MCPError, match="the client has declared no capability for"):
                    await client.call_tool(tool, arguments)
