"""The WebSocket backend against a real server on a real socket: the MCP SDK's server in text frames, served by Hypercorn, with and without TLS."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hypercorn.config
import hypercorn.trio
import pytest
import trio
import trustme
from mcp.server.mcpserver import MCPServer
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from starlette.websockets import WebSocket
from tests.kit.heard import Heard
from tests.kit.road_server import greet, road_server, tool

from sluicegate import Builder
from sluicegate.backends.session import BackendSession
from sluicegate.backends.websocket.websocket_connector import WebSocketConnector
from sluicegate.tls.client import TlsFiles

pytestmark = pytest.mark.slow


def over_websockets(server: MCPServer, handshakes: list[dict[bytes, bytes]]) -> Any:
    """An ASGI application: each message is a text frame, as the SDK's own transport had it in its first series."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"  # it has no lifespan, and says so like this
        handshakes.append(dict(scope["headers"]))
        socket = WebSocket(scope, receive, send)
        await socket.accept(subprotocol="mcp")
        into, messages = trio.open_memory_channel[Any](0)
        answers, out = trio.open_memory_channel[Any](0)

        async def read() -> None:
            async with into:
                async for text in socket.iter_text():
                    await into.send(SessionMessage(jsonrpc_message_adapter.validate_json(text)))

        async def write() -> None:
            async for answer in out:
                await socket.send_text(answer.message.model_dump_json(by_alias=True, exclude_none=True))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(write)
            lowlevel = server._lowlevel_server
            await lowlevel.run(messages, answers, lowlevel.create_initialization_options())
            nursery.cancel_scope.cancel()

    return app


@asynccontextmanager
async def served(app: Any, certificate: tuple[Path, Path] | None = None) -> AsyncGenerator[str]:
    """Serve it on a free port of loopback."""
    config = hypercorn.config.Config()
    config.bind, config.errorlog, config.graceful_timeout = ["127.0.0.1:0"], logging.getLogger("quiet"), 0.1
    if certificate is not None:
        config.certfile, config.keyfile = map(str, certificate)
    async with trio.open_nursery() as nursery:
        (bound,) = await nursery.start(hypercorn.trio.serve, app, config)
        yield f"{bound}/mcp".replace("http", "ws", 1)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(cancelled: list[str], heard: Heard) -> AsyncGenerator[BackendSession]:
    with trio.fail_after(30):
        async with served(over_websockets(road_server(cancelled), [])) as url, WebSocketConnector("real", url)(heard) as session:
            await greet(session)
            yield session


async def test_many_calls_at_once_each_get_their_own_answer_small_and_large() -> None:
    heard, replies = Heard(), {}
    async with connected([], heard) as session:

        async def one(number: int) -> None:
            replies[number] = await session.request(tool("echo", heard, text=f"n{number}" + "x" * 10**number))

        async with trio.open_nursery() as nursery:
            for number in range(7):
                nursery.start_soon(one, number)
    assert {number: reply.text for number, reply in replies.items()} == {number: f"n{number}" + "x" * 10**number for number in range(7)}


async def test_progress_of_a_real_server_comes_back() -> None:
    heard = Heard()
    async with connected([], heard) as session:
        assert (await session.request(tool("count", heard))).text == "counted"
    assert [note["params"]["progress"] for note in heard.messages] == [0, 1, 2]


async def test_a_real_server_hears_of_the_cancellation() -> None:
    heard, cancelled = Heard(), list[str]()
    async with connected(cancelled, heard) as session:
        with trio.move_on_after(0.3):
            await session.request(tool("hang", heard))
        with trio.move_on_after(5):
            while not cancelled:
                assert (await session.request(tool("echo", heard, text="still there"))).text == "still there"
        assert cancelled == ["hang"]


async def test_over_tls_the_authority_of_the_settings_is_believed_and_no_other(tmp_path: Path) -> None:
    authority, files = trustme.CA(), (tmp_path / "cert.pem", tmp_path / "key.pem")
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(files[1])
    issued.cert_chain_pems[0].write_to_path(files[0])
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    handshakes: list[dict[bytes, bytes]] = []
    with trio.fail_after(30):
        async with served(over_websockets(road_server([]), handshakes), files) as bound:
            url = bound.replace("127.0.0.1", "localhost")
            builder = Builder("gate", "1.0").backend("b", url, tls={"ca": str(tmp_path / "ca.pem")}, bearer_token="s3cret")
            async with builder.open(strict=True) as gateway:
                assert (await gateway.call_tool("b_echo", {"text": "over TLS"})).text == "over TLS"
            (handshake,) = handshakes
            assert handshake[b"authorization"] == b"Bearer s3cret"
            with pytest.raises(Exception, match="certificate is not accepted"):
                async with WebSocketConnector("b", url, tls=TlsFiles())(Heard()):
                    pass
