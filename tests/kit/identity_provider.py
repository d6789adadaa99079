"""A real identity provider on loopback, a gateway that takes its tokens, and a browser in which everybody consents."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import httpx2
import trio
from tests.kit.checkout import ROOT

__all__ = ["MODULES", "SECRET", "Provider", "browse", "free_port", "gate", "providing"]

CHILDREN = ROOT / "tests" / "process" / "children"
SERVER = ROOT / "tests" / "process" / "plain_server.py"
MODULES = ROOT / ".cache" / "npm" / "node_modules"
SECRET = "a-secret-of-forty-characters-for-the-tests"
PATIENCE = 60


def free_port() -> int:
    """One on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@attrs.define
class Provider:
    """oidc-provider, as a process; it keeps its port and its key when it is started again, and forgets all else."""

    folder: Path
    format: str
    """Of access tokens: "jwt" or "opaque"."""
    port: int = attrs.field(factory=free_port)
    key: str = "key.json"
    """The file with the key that it signs with."""
    process: trio.Process | None = None

    @property
    def issuer(self) -> str:
        """Its name."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Run it until it listens."""
        command = ["node", str(CHILDREN / "provider.mjs"), str(MODULES), str(self.port), str(self.folder / self.key), self.format]
        self.process = await trio.lowlevel.open_process(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        assert await self.process.stdout.receive_some() == f"{self.issuer}\n".encode()

    async def kill(self) -> None:
        """Have it go without a word."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
            assert self.process.stdout is not None
            await self.process.stdout.aclose()

    async def token(self, resource: str, scope: str = "mcp:tools") -> str:
        """One for a program (client credentials)."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        async with httpx2.AsyncClient(timeout=PATIENCE) as http:
            answer = await http.post(f"{self.issuer}/token", data=form, auth=("robot", SECRET))
        return str(answer.json()["access_token"])

    async def withdraw(self, token: str) -> None:
        """Have a token of the program end now."""
        async with httpx2.AsyncClient(timeout=PATIENCE) as http:
            assert (await http.post(f"{self.issuer}/token/revocation", data={"token": token}, auth=("robot", SECRET))).status_code == 200


@asynccontextmanager
async def providing(folder: Path, format: str) -> AsyncGenerator[Provider, None]:
    """One that runs; nothing of it is left afterwards."""
    provider = Provider(folder, format)
    try:
        with trio.fail_after(PATIENCE):
            await provider.start()
        yield provider
    finally:
        with trio.CancelScope(shield=True):
            await provider.kill()


@asynccontextmanager
async def gate(folder: Path, provider: Provider, auth: str) -> AsyncGenerator[str, None]:
    """A gateway as a process, in front of a program; the address of its endpoint. ``auth`` are further lines of that table."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    file = folder / "gate.toml"
    file.write_text(
        f'[proxy]\nname = "gate"\nshutdown_timeout_seconds = 1\nlisten = {{ port = {port} }}\n'
        f'[[backends]]\nname = "one"\ntransport = "stdio"\ncommand = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(SERVER))}, "one"]\n'
        f'[auth]\ntype = "oauth"\nissuer = "{provider.issuer}"\naudience = "{url}"\nclient_id = "gate"\nclient_secret = "{SECRET}"\n{auth}\n'
    )
    command = [sys.executable, "-m", "sluicegate", "run", "-c", str(file)]
    with (folder / "log").open("wb") as log:
        process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stderr=log)
    try:
        with trio.fail_after(PATIENCE):
            await _until_up(url.removesuffix("/mcp"))
        yield url
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _until_up(url: str) -> None:
    async with httpx2.AsyncClient() as http:
        while True:
            with suppress(httpx2.TransportError):
                if (await http.get(f"{url}/readyz")).status_code == 200:
                    return
            await trio.sleep(0.05)


async def browse(url: str, until: str) -> str:
    """Follow an address, with cookies, as far as one that begins like ``until``; that is not asked for any more."""
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        for _ in range(12):
            if url.startswith(until):
                return url
            answer = await http.get(url)
            assert answer.status_code in (302, 303), f"{answer.status_code} at {url}: {answer.text[:500]}"
            url = str(httpx2.URL(url).join(answer.headers["location"]))
    raise AssertionError(url)
