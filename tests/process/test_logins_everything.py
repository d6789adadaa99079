"""Clients that are not written in Python log in through the gateway's metadata, at a real identity provider, and call a tool."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import trio
from tests.kit.identity_provider import CHILDREN, MODULES, browse, gate, providing

pytestmark = pytest.mark.slow

CALLBACK = "http://127.0.0.1:9/callback"
SCOPES = 'required_scopes = ["mcp:tools"]\n'
BOTH_KINDS = pytest.mark.parametrize(("format", "validation"), [("jwt", "jwt"), ("opaque", "introspection")])


async def line_of(stream: trio.abc.ReceiveStream, begins: str, seen: bytearray) -> str:
    """The next line that has this in it, from there on; whatever was read is kept."""
    while True:
        found = re.search(re.escape(begins).encode() + rb"[^\r\n]*[\r\n]", seen)
        if found is not None:
            line, end = found[0].decode().strip(), found.end()
            del seen[:end]
            return line
        some = await stream.receive_some()
        assert some, seen.decode()
        seen += some


@BOTH_KINDS
async def test_the_typescript_sdks_client_logs_in(tmp_path: Path, format: str, validation: str) -> None:
    with trio.fail_after(120):
        async with providing(tmp_path, format) as provider, gate(tmp_path, provider, f'token_validation = "{validation}"\n{SCOPES}') as url:
            sdk = MODULES / "@modelcontextprotocol" / "sdk" / "dist" / "esm"
            command = ["node", str(CHILDREN / "logging_in.mjs"), str(sdk), url, CALLBACK]
            process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert process.stdin is not None
            assert process.stdout is not None
            async with process.stdin, process.stdout:
                seen = bytearray()
                address = await line_of(process.stdout, "http://", seen)
                assert parse_qs(urlsplit(address).query)["resource"] == [url]
                query = parse_qs(urlsplit(await browse(address, CALLBACK)).query)
                await process.stdin.send_all(f"{query['code'][0]}\n".encode())
                assert "from typescript" in await line_of(process.stdout, '"', seen)
                assert await process.wait() == 0


@BOTH_KINDS
async def test_mcp_remote_logs_in_for_a_client_that_cannot(tmp_path: Path, format: str, validation: str) -> None:
    """It listens for the browser itself, and is a stdio server to its client."""
    with trio.fail_after(120):
        async with providing(tmp_path, format) as provider, gate(tmp_path, provider, f'token_validation = "{validation}"\n{SCOPES}') as url:
            environment = os.environ | {"MCP_REMOTE_CONFIG_DIR": str(tmp_path / "remote"), "BROWSER": "true", "PATH": os.environ["PATH"]}
            command = ["node", str(MODULES / "mcp-remote" / "dist" / "proxy.js"), url, "--transport", "http-only", "--allow-http"]
            process = await trio.lowlevel.open_process(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                async with process.stdin, process.stdout, process.stderr:
                    address = await line_of(process.stderr, f"{provider.issuer}/auth", bytearray())
                    back = parse_qs(urlsplit(address).query)["redirect_uri"][0]
                    landing = await browse(address, back)
                    async with httpx2.AsyncClient(timeout=60) as http:
                        assert (await http.get(landing)).status_code == 200
                    seen = bytearray()
                    await send(process.stdin, 0, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=INFO)
                    assert "serverInfo" in await line_of(process.stdout, "{", seen)
                    await send(process.stdin, None, "notifications/initialized")
                    await send(process.stdin, 1, "tools/call", name="one_echo", arguments={"text": "from afar"})
                    assert "from afar" in await line_of(process.stdout, '{"', seen)
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()


INFO = {"name": "t", "version": "1"}


async def send(stdin: trio.abc.SendStream, id: int | None, method: str, **params: object) -> None:
    message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id is None else {"id": id})
    await stdin.send_all(f"{json.dumps(message)}\n".encode())
