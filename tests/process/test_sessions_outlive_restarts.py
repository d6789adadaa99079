"""The gateway goes, by ``SIGTERM`` or ``kill -9``, and comes back on its port: clients that opened a session before go on with it."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import httpx2
import pytest
import trio
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

pytestmark = [
    pytest.mark.slow,
    # the SDK's client leaves streams half-read; our own does not, and tests without the SDK's client would say so
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),
]

SERVER = Path(__file__).with_name("plain_server.py")
CHILDREN = Path(__file__).parent / "children"
SDK = Path(".cache/npm/node_modules/@modelcontextprotocol/sdk/dist/esm").absolute()
PATIENCE = 60
DEATHS = pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])


@attrs.define
class Site:
    """A configuration, and the gateway that runs with it now."""

    file: Path
    port: int
    process: trio.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Run it until it is ready."""
        command = [sys.executable, "-m", "sluicegate", "run", "-c", str(self.file)]
        self.process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        async with httpx2.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"{self.url}/livez")).status_code == 200:
                        return
                except httpx2.TransportError:
                    await trio.sleep(0.05)

    async def end(self, how: signal.Signals) -> None:
        """Have it go."""
        assert self.process is not None
        self.process.send_signal(how)
        await self.process.wait()

    async def restart(self, how: signal.Signals) -> None:
        """Another one takes its place."""
        await self.end(how)
        await self.start()

    async def count(self, name: str) -> float:
        """What it has counted."""
        async with httpx2.AsyncClient() as http:
            page = (await http.get(f"{self.url}/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"mcp_proxy_{name}"))


@asynccontextmanager
async def site(folder: Path, listen: str = "") -> AsyncGenerator[Site, None]:
    """One that runs; nothing of it is left afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "gate.toml"
    file.write_text(
        f'[proxy]\nname = "gate"\nshutdown_timeout_seconds = 1\n[proxy.listen]\nport = {port}\n{listen}\n'
        "[observability.metrics]\nenabled = true\n"
        f'[[backends]]\nname = "one"\ntransport = "stdio"\ncommand = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(SERVER))}, "one"]\n'
    )
    made = Site(file, port)
    try:
        with trio.fail_after(PATIENCE):
            await made.start()
            yield made
    finally:
        if made.process is not None and made.process.returncode is None:
            made.process.kill()
            with trio.CancelScope(shield=True):
                await made.process.wait()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def echo(client: Client, text: str) -> str:
    (content,) = (await client.call_tool("one_echo", {"text": text})).content
    assert isinstance(content, TextContent)
    return content.text


@DEATHS
async def test_the_next_call_of_the_python_sdk_needs_no_new_handshake(tmp_path: Path, death: signal.Signals) -> None:
    async with site(tmp_path) as gate, Client(streamable_http_client(f"{gate.url}/mcp"), mode="legacy") as client:
        before = await echo(client, "before")
        for turn in (1, 2):
            await gate.restart(death)
            assert await echo(client, "after") != ""
            assert await gate.count("sessions_resumed_total") == 1, turn
            assert await gate.count("session_tickets_issued_total") == 0, turn
        assert before
        assert "one_echo" in {tool.name for tool in (await client.list_tools()).tools}


@DEATHS
async def test_the_next_call_of_the_typescript_sdk_needs_no_new_handshake(tmp_path: Path, death: signal.Signals) -> None:
    async with site(tmp_path) as gate:
        command = ["node", str(CHILDREN / "returning.mjs"), str(SDK), f"{gate.url}/mcp"]
        client = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdin is not None
        assert client.stdout is not None
        said = b""

        async def line(number: int) -> str:
            nonlocal said
            assert client.stdout is not None
            while said.count(b"\n") < number:
                part = await client.stdout.receive_some()
                assert part, said
                said += part
            return str(json.loads(said.splitlines()[number - 1]))

        try:
            await client.stdin.send_all(b"before\n")
            assert await line(1)
            await gate.restart(death)
            await client.stdin.send_all(b"after\n")
            assert await line(2)
            assert await gate.count("sessions_resumed_total") == 1
            await client.stdin.aclose()
            while b"sessions" not in said:
                said += await client.stdout.receive_some()
            assert json.loads(said.splitlines()[2])["sessions"] == 1
            await client.wait()
            assert await gate.count("session_tickets_ended_total") == 1
        finally:
            client.kill()
            with trio.CancelScope(shield=True):
                await client.wait()
            await client.stdout.aclose()


async def test_the_key_is_for_its_owner_alone_and_a_session_that_was_ended_stays_so(tmp_path: Path) -> None:
    async with site(tmp_path) as gate:
        url = f"{gate.url}/mcp"
        async with httpx2.AsyncClient(headers={"accept": "application/json, text/event-stream"}) as http:
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            opened = await http.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
            session = {"mcp-session-id": opened.headers["mcp-session-id"]}
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            assert (await http.post(url, json=ping, headers=session)).status_code == 200
            assert (await http.delete(url, headers=session)).status_code == 200
            await gate.restart(signal.SIGKILL)
            assert (await http.post(url, json=ping, headers=session)).status_code == 404
        folder = gate.file.with_name("gate.toml.sessions")
        assert {file.suffix: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.suffix} == {
            ".key": 0o600,
            ".ended": 0o600,
        }


async def test_two_gateways_that_share_a_folder_take_in_each_others_sessions(tmp_path: Path) -> None:
    keys = f"session_keys = {json.dumps(str(tmp_path / 'keys'))}"
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with site(tmp_path / "one", keys) as one, site(tmp_path / "other", keys) as other, httpx2.AsyncClient() as http:
        http.headers["accept"] = "application/json, text/event-stream"

        async def opened() -> dict[str, str]:
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            answer = await http.post(f"{one.url}/mcp", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
            return {"mcp-session-id": answer.headers["mcp-session-id"]}

        kept, ended = await opened(), await opened()
        assert (await http.post(f"{other.url}/mcp", json=ping, headers=kept)).status_code == 200
        assert (await http.delete(f"{one.url}/mcp", headers=ended)).status_code == 200
        assert (await http.post(f"{other.url}/mcp", json=ping, headers=ended)).status_code == 404


async def test_without_tickets_a_restart_ends_sessions_and_writes_nothing(tmp_path: Path) -> None:
    async with (
        site(tmp_path, "session_tickets = false") as gate,
        Client(streamable_http_client(f"{gate.url}/mcp"), mode="legacy") as client,
    ):
        await echo(client, "before")
        await gate.restart(signal.SIGTERM)
        with pytest.raises(MCPError):
            await echo(client, "after")
        assert names(tmp_path) == ["gate.toml"]
