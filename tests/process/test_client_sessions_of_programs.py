"""Sessions of single clients with the MCP SDK's servers, in processes and over sockets: each asks its own client, and no process stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestParams, ElicitResult
from tests.kit.sdk_server import SdkServer

from sluicegate import Builder, Gateway
from sluicegate.gateway.builder import Source

pytestmark = [
    pytest.mark.slow,
    # the SDK's client leaves streams half-read; our own does not, and tests without the SDK's client would say so
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),
]

SERVER = SdkServer(Path(__file__).parent / "children" / "asking_server.py")
PATIENCE = 60
CLIENTS = 6
Peer = Callable[[], AbstractAsyncContextManager[Source]]


def pids(gateway: Gateway) -> set[int]:
    """Of the programs that serve single clients."""
    clients = gateway.backends["peer"].clients
    assert clients is not None
    return {pid for link in clients._all if isinstance(pid := getattr(link.link.session, "pid", None), int)}


def runs(pid: int) -> bool:
    """Whether there is such a process; one that nobody has waited for yet counts."""
    return Path(f"/proc/{pid}").exists()


async def be_asked(url: str, number: int, seen: set[int], gateway: Gateway) -> None:
    async def tell_name(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context, params
        await trio.sleep(0.01)
        return ElicitResult(action="accept", content={"name": f"client {number}"})

    async with Client(streamable_http_client(f"{url}/mcp"), mode="legacy", elicitation_callback=tell_name) as client:
        for _ in range(3):
            result = await client.call_tool("peer_who", {})
            assert [getattr(part, "text", "") for part in result.content] == [f"client {number}"]
        seen |= pids(gateway)


@pytest.mark.parametrize(
    ("peer", "processes"), [(SERVER.in_process, 0), (SERVER.over_http, 0), (SERVER.over_stdio, CLIENTS)], ids=["object", "http", "stdio"]
)
async def test_each_client_is_asked_for_its_own_name_and_its_program_ends_with_it(peer: Peer, processes: int) -> None:
    seen: set[int] = set()
    with trio.fail_after(PATIENCE):
        async with peer() as source, trio.open_nursery() as nursery:
            builder = Builder("gate").backend("peer", source, sessions="per_client", max_sessions=4 * CLIENTS)
            async with builder.open() as gateway:
                (url,) = await nursery.start(gateway.serve)
                await gateway.ready()
                async with trio.open_nursery() as clients:
                    for number in range(CLIENTS):
                        clients.start_soon(be_asked, url, number, seen, gateway)
                links = gateway.backends["peer"].clients
                assert links is not None
                await links.wait_ended()  # each client has said DELETE
                assert len(links) == 0
                assert not [pid for pid in seen if runs(pid)]
                assert len(seen) == processes
            nursery.cancel_scope.cancel()
