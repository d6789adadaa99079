"""The reference server that has everything, behind the gateway, used through the MCP SDK's client."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from sluicegate import Builder
from sluicegate.gateway.builder import Source

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),  # the SDK's client's own
]

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js").absolute()
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(Path("src").absolute()), *sys.path]), "PATH": os.environ["PATH"]}
PATIENCE = 30
Peer = Callable[[], AbstractAsyncContextManager[Source]]


@asynccontextmanager
async def over_stdio() -> AsyncGenerator[Source, None]:
    yield ["node", str(SERVER), "stdio"]


@asynccontextmanager
async def over_http() -> AsyncGenerator[Source, None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            lambda task_status: trio.run_process(  # noqa: ASYNC105  the nursery awaits it
                ["node", str(SERVER), "streamableHttp"],
                env=os.environ | {"PORT": str(port)},
                stderr=-3,
                check=False,
                task_status=task_status,
            )
        )
        while not await answers(port):  # noqa: ASYNC110  it is a stranger
            await trio.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


async def answers(port: int) -> bool:
    try:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


@asynccontextmanager
async def serving(peer: Peer) -> AsyncGenerator[str, None]:
    """A gateway in front of the server; its address."""
    with trio.fail_after(PATIENCE):
        async with peer() as source, trio.open_nursery() as nursery:
            async with Builder("gate").backend("all", source).open(strict=True) as gateway:
                (url,) = await nursery.start(gateway.serve)
                yield f"{url}/mcp"
            nursery.cancel_scope.cancel()


def http_client(url: str) -> Client:
    return Client(streamable_http_client(url), mode="legacy")


def text_of(result: CallToolResult) -> str:
    assert not result.is_error, result
    content = result.content[0]
    assert isinstance(content, TextContent)
    return content.text


async def all_that_is_listed(client: Client) -> dict[str, list[dict[str, object]]]:
    """Every item of every list, as it came."""
    return {
        "tools": [item.model_dump() for item in (await client.list_tools()).tools],
        "resources": [item.model_dump() for item in (await client.list_resources()).resources],
        "templates": [item.model_dump() for item in (await client.list_resource_templates()).resource_templates],
        "prompts": [item.model_dump() for item in (await client.list_prompts()).prompts],
    }


def namespaced(listed: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """The same lists under the names of a client of the gateway."""
    named = ("name", "uri", "uri_template")
    return {
        kind: [item | {key: f"all{'+' if 'uri' in key else '_'}{item[key]}" for key in named if key in item} for item in items]
        for kind, items in listed.items()
    }


async def run_long(client: Client) -> None:
    """A long operation tells how far it is before it ends."""
    steps: list[tuple[float, float | None]] = []

    async def step(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total))

    result = await client.call_tool("all_trigger-long-running-operation", {"duration": 0.4, "steps": 4}, progress_callback=step)
    assert text_of(result) == "Long running operation completed. Duration: 0.4 seconds, Steps: 4."
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("peer", [over_stdio, over_http])
async def test_a_client_sees_what_one_without_capabilities_sees_directly(peer: Peer, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        direct = Client(stdio_client(StdioServerParameters(command="node", args=[str(SERVER), "stdio"]), errlog=log), mode="legacy")
        async with serving(peer) as url, direct, http_client(url) as client:
            expected, listed = await all_that_is_listed(direct), await all_that_is_listed(client)
            assert namespaced(expected) == listed
            assert all(listed.values())


@pytest.mark.parametrize("peer", [over_stdio, over_http])
async def test_progress_of_a_long_operation_comes_step_by_step(peer: Peer) -> None:
    async with serving(peer) as url, http_client(url) as client, http_client(url) as other:
        async with trio.open_nursery() as nursery:
            for each in (client, client, other):  # each of them hears of its own only
                nursery.start_soon(run_long, each)
        assert text_of(await client.call_tool("all_echo", {"message": "and on"})) == "Echo: and on"


async def test_a_desktop_client_hears_of_progress_over_stdio(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    backend = f'[[backends]]\nname = "all"\ntransport = "stdio"\ncommand = "node"\nargs = ["{SERVER}", "stdio"]\n'
    path.write_text(f'[proxy]\nname = "gate"\n{backend}')
    arguments = ["-m", "sluicegate", "run", "--stdio", "-c", str(path)]
    gate = StdioServerParameters(command=sys.executable, args=arguments, env=ENVIRONMENT)
    with trio.fail_after(PATIENCE), (tmp_path / "log").open("w") as log:
        async with Client(stdio_client(gate, errlog=log), mode="legacy") as client:
            await run_long(client)
