"""MCP over WebSockets as a front on a real socket, with TLS: another gateway is the client."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trustme
from tests.kit.road_server import road_server

from sluicegate import Builder
from sluicegate.config.listen import ListenConfig, ListenTlsConfig

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("secure", [False, True])
async def test_one_gateway_reaches_another_over_a_websocket(secure: bool, tmp_path: Path) -> None:
    authority, cancelled = trustme.CA(), list[str]()
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ListenTlsConfig(str(tmp_path / "own.pem")) if secure else None
    listen = ListenConfig(port=0, websocket=True, tls=tls)
    far = Builder("far", "1.0").proxy(listen=listen).backend("b", road_server(cancelled), namespace="")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery, far.open(strict=True) as behind:
            (bound,) = await nursery.start(behind.serve)
            url = f"{bound}/mcp".replace("http", "ws", 1).replace("127.0.0.1", "localhost")
            trust = {"tls": {"ca": str(tmp_path / "ca.pem")}} if secure else {}
            async with Builder("near", "1.0").backend("far", url, **trust).open(strict=True) as gateway:
                assert (await gateway.call_tool("far_echo", {"text": "é" * 200_000})).text == "é" * 200_000
                with trio.move_on_after(0.3):
                    await gateway.call_tool("far_hang", {})
                with trio.move_on_after(5):
                    while not cancelled:
                        await gateway.call_tool("far_echo", {"text": "x"})
                assert cancelled == ["hang"]
            nursery.cancel_scope.cancel()
