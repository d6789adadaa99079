"""What comes through the gateway is what the reference server sent, byte for byte, apart from names and URIs."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio
from tests.kit.heard import Heard

from sluicegate import BackendConfig, Builder, Call, Connector
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.session import BackendSession
from sluicegate.backends.stdio import StdioConnector
from sluicegate.gateway.opening import Gateway
from sluicegate.protocol.messages import Params, Raw, decode_object, encode

pytestmark = pytest.mark.slow

SERVER = Path(".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js").absolute()
HELLO: Params = {
    "protocolVersion": Raw(b'"2025-11-25"'),
    "capabilities": Raw(b"{}"),
    "clientInfo": Raw(b'{"name":"test","version":"1"}'),
}
REQUESTS: list[tuple[str, dict[str, object]]] = [
    ("tools/call", {"name": "echo", "arguments": {"message": "grüße \u2028 \x00 \U0001f600"}}),
    ("tools/call", {"name": "echo", "arguments": {"message": "x" * 300_000}}),
    ("tools/call", {"name": "get-sum", "arguments": {"a": 1.5, "b": 2}}),
    ("tools/call", {"name": "get-tiny-image", "arguments": {}}),
    ("tools/call", {"name": "get-structured-content", "arguments": {"location": "Chicago"}}),
    ("tools/call", {"name": "get-annotated-message", "arguments": {"messageType": "error", "includeImage": True}}),
    ("tools/call", {"name": "get-resource-links", "arguments": {"count": 3}}),
    ("tools/call", {"name": "get-resource-reference", "arguments": {"resourceType": "Text", "resourceId": 2}}),
    ("tools/call", {"name": "echo", "arguments": {"message": 7}}),
    ("tools/call", {"name": "no-such-tool", "arguments": {}}),
    ("prompts/get", {"name": "simple-prompt"}),
    ("prompts/get", {"name": "args-prompt", "arguments": {"city": "Bern"}}),
    ("prompts/get", {"name": "resource-prompt", "arguments": {"resourceType": "Text", "resourceId": "1"}}),
    ("prompts/get", {"name": "args-prompt"}),
    ("resources/read", {"uri": "demo://resource/static/document/features.md"}),
    ("resources/read", {"uri": "demo://resource/dynamic/text/7"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "completable-prompt"}, "argument": {"name": "department", "value": "E"}},
    ),
]
URI = re.compile(rb'"(?:all\+)?(demo://[^"]*)"')
TIME = re.compile(rb"[0-9]{1,2}:[0-9]{2}:[0-9]{2} ?[AP]M|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")


@asynccontextmanager
async def over_stdio() -> AsyncGenerator[BackendConfig, None]:
    yield Builder("x").backend("all", ["node", str(SERVER), "stdio"]).config().backends[0]


@asynccontextmanager
async def over_http() -> AsyncGenerator[BackendConfig, None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with trio.open_nursery() as nursery:
        environment = os.environ | {"PORT": str(port)}
        start = partial(trio.run_process, ["node", str(SERVER), "streamableHttp"], env=environment, stderr=subprocess.DEVNULL, check=False)
        process = await nursery.start(start)
        with trio.fail_after(20):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.sleep(0.05)
        try:
            yield Builder("x").backend("all", f"http://127.0.0.1:{port}/mcp").config().backends[0]
        finally:
            process.kill()


def direct(config: BackendConfig) -> Connector:
    if config.url is not None:
        return HttpConnector("direct", config.url)
    return StdioConnector("direct", config.command or "", tuple(config.args))


async def raw_answer(client: httpx2.AsyncClient, session: str, id: int, method: str, params: dict[str, object]) -> dict[str, bytes]:
    """The members of the gateway's answer over HTTP, undecoded."""
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"} | (
        {"Mcp-Session-Id": session} if session else {}
    )
    body = encode({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    response = await client.post("/mcp", content=body, headers=headers)
    content = response.content
    if response.headers["content-type"].startswith("text/event-stream"):
        content = [line[6:] for line in content.split(b"\n") if line.startswith(b"data: {")][-1]
    members = decode_object(content)
    assert isinstance(members, dict)
    return {key: bytes(value) for key, value in members.items()} | {"session": response.headers.get("mcp-session-id", "").encode()}


async def directly(session: BackendSession, method: str, params: dict[str, object]) -> bytes:
    reply = await session.request(Call(method, method, {key: Raw(encode(value)) for key, value in params.items()}))
    return bytes(reply.result) if reply.fault is None else reply.fault.encode()


def namespaced(method: str, params: dict[str, object]) -> dict[str, object]:
    """The same request in a client's words."""
    if method == "completion/complete":
        ref = params["ref"]
        assert isinstance(ref, dict)
        return params | {"ref": ref | {"name": f"all_{ref['name']}"}}
    key = "uri" if method == "resources/read" else "name"
    return params | {key: f"all{'+' if key == 'uri' else '_'}{params[key]}"}


def localised(answer: bytes) -> bytes:
    """The answer with the mapped URIs in the server's words, and without the time of day."""
    return TIME.sub(b"(time)", URI.sub(rb'"\1"', answer))


@pytest.mark.parametrize("peer", [over_stdio, over_http])
async def test_every_result_is_the_servers_own_byte_for_byte(peer: object) -> None:
    async with peer() as config, trio.open_nursery() as nursery:  # type: ignore[operator]
        async with direct(config)(Heard()) as session, open_for(config) as gateway:
            with trio.fail_after(60):
                await directly(session, "initialize", HELLO)  # type: ignore[arg-type]
                session.tell("notifications/initialized", {})
                (url,) = await nursery.start(gateway.serve)
                async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                    hello: dict[str, object] = {
                        "protocolVersion": "2025-11-25",
                        "capabilities": {},
                        "clientInfo": {"name": "t", "version": "1"},
                    }
                    ours = (await raw_answer(client, "", 0, "initialize", hello))["session"].decode()
                    headers = {"Mcp-Session-Id": ours, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
                    note = await client.post("/mcp", content=b'{"jsonrpc":"2.0","method":"notifications/initialized"}', headers=headers)
                    assert note.status_code == 202
                    for number, (method, params) in enumerate(REQUESTS, 1):
                        expected = await directly(session, method, params)
                        answer = await raw_answer(client, ours, number, method, namespaced(method, params))
                        assert str(number).encode() == answer["id"]
                        assert localised(expected) == localised(answer.get("result") or answer["error"]), (method, params)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_for(config: BackendConfig) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x")
    async with (builder.backend("all", config.url) if config.url else builder.backend("all", [config.command or "", *config.args])).open(
        strict=True
    ) as gateway:
        yield gateway


async def test_lists_keep_every_member_of_every_item_but_the_name() -> None:
    async with (
        over_stdio() as config,
        StdioConnector("direct", config.command or "", tuple(config.args))(Heard()) as session,
        open_for(config) as gateway,
    ):
        with trio.fail_after(60):
            await directly(session, "initialize", HELLO)  # type: ignore[arg-type]
            session.tell("notifications/initialized", {})
            for kind in ("tools", "resources", "prompts"):
                expected = await directly(session, f"{kind}/list", {})
                reply = await gateway._endpoint.handle(Call(f"{kind}/list", f"{kind}/list", {}))
                assert reply.fault is None
                assert expected == bytes(reply.result).replace(b'"name":"all_', b'"name":"').replace(b'"uri":"all+', b'"uri":"')
