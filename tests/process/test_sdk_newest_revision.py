"""The MCP SDK's own client in 2026-07-28, over pipes and sockets: nothing is missing, and servers that shake hands may ask it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import pytest
import trio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.kit.sdk_server import SdkServer
from tests.process.test_sdk_peers import SERVER, News, cancel_a_call, hears_of_it, text_of, use_everything
from tests.process.test_sdk_questions import SERVER as ASKING
from tests.process.test_sdk_questions import ask_all_at_once, ask_everything, tell_name, tell_roots, think

from sluicegate import Builder
from sluicegate.config.model import SecurityConfig
from sluicegate.gateway.builder import Source
from sluicegate.gateway.opening import open_gateway

pytestmark = [
    pytest.mark.slow,
    # the SDK's client leaves streams half-read; our own does not, and tests without the SDK's client would say so
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:The (sampling|roots) capability is deprecated"),
]

NEW = "2026-07-28"
PATIENCE = 60
Peer = Callable[[], AbstractAsyncContextManager[Source]]


def on_stdio(folder: Path, server: SdkServer, *names: str, parked: int = 0) -> StdioServerParameters:
    """A gateway that is started with these backends, all of them that server."""
    backends = [
        f'[[backends]]\nname = "{name}"\ntransport = "stdio"\ncommand = {sys.executable!r}\nargs = [{str(server.file)!r}]\n'
        for name in names
    ]
    config = folder / "gate.toml"
    config.write_text(f'[proxy]\nname = "gate"\n[security]\nmax_parked_calls = {parked}\n' + "".join(backends))
    path = os.pathsep.join([str(Path("src").absolute()), *sys.path])
    return StdioServerParameters(
        command=sys.executable, args=["-m", "sluicegate", "run", "--stdio", "-c", str(config)], env={"PYTHONPATH": path}
    )


async def test_a_desktop_client_gets_everything_over_stdio(tmp_path: Path) -> None:
    news = News()
    with trio.fail_after(PATIENCE), (tmp_path / "log").open("w") as log:
        transport = stdio_client(on_stdio(tmp_path, SERVER, "peer", "spare"), errlog=log)
        async with Client(transport, message_handler=news) as client:
            assert client.protocol_version == NEW
            await use_everything(client)
            await cancel_a_call(client, "peer_hang")
            await hears_of_it(client, "peer_heard")
            await client.call_tool("peer_grow", {"name": "more"})
            assert text_of(await client.call_tool("peer_more", {"text": "new"})) == "new"
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_a_desktop_client_is_asked_over_stdio(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE), (tmp_path / "log").open("w") as log:
        transport = stdio_client(on_stdio(tmp_path, ASKING, "peer", parked=40), errlog=log)
        async with Client(transport, elicitation_callback=tell_name, sampling_callback=think, list_roots_callback=tell_roots) as client:
            assert client.protocol_version == NEW
            await ask_everything(client)
            await ask_all_at_once(client)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("peer", [ASKING.over_http, ASKING.over_stdio])
async def test_a_client_over_http_is_asked_by_servers_that_shake_hands(peer: Peer) -> None:
    with trio.fail_after(PATIENCE):
        async with peer() as source, trio.open_nursery() as nursery:
            built = Builder("gate").backend("peer", source, sessions="per_client", revision="2025-11-25", max_sessions=60).config()
            config = attrs.evolve(built, security=SecurityConfig(max_parked_calls=60))
            async with open_gateway(config) as gateway:
                (url,) = await nursery.start(gateway.serve)
                await gateway.ready("peer")
                async with Client(
                    f"{url}/mcp", elicitation_callback=tell_name, sampling_callback=think, list_roots_callback=tell_roots
                ) as client:
                    assert client.protocol_version == NEW
                    await ask_everything(client)
                    await ask_all_at_once(client)
            nursery.cancel_scope.cancel()
