"""The clients and servers: what they are made with, and how they are got and started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import attrs
from scripts.peering.install import CACHE, python_for

from .features import EVERYTHING, OWN, Asks

__all__ = ["CLIENTS", "SERVERS", "Client", "Server"]

HERE = Path(__file__).parent
PYTHON_1 = ("client-python-1.26", ("mcp==1.26.0",))
PYTHON_2 = ("client-python-2.3", ("mcp==2.3.0",))
FASTMCP = ("client-fastmcp-4.2", ("fastmcp==4.2.3",))
NPM = {
    "@ai-sdk/mcp": "2.0.99",
    "@modelcontextprotocol/client": "2.4.0",
    "@modelcontextprotocol/inspector": "2.12.0",
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/server": "2.4.0",
    "@modelcontextprotocol/server-everything": "2026.8.31",
    "mcp-remote": "0.15.1",
    "zod": "4.3.6",
}


@cache
def modules() -> Path:
    """All packages of npm."""
    folder = CACHE / "pairing-npm"
    wanted = json.dumps({"private": True, "dependencies": NPM})
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        print("installing packages of npm", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
        stamp.write_text(wanted)
    return folder / "node_modules"


@cache
def _python(environment: tuple[str, tuple[str, ...]], script: str, *arguments: str) -> tuple[str, ...]:
    return (str(python_for(*environment) / "python"), "-W", "ignore", str(HERE / script), *arguments)


def _node(script: str, which: str) -> tuple[str, ...]:
    return ("node", str(HERE / script), str(modules()), which)


@cache
def _go() -> str:
    """Server and client on the SDK for Go, built; a cache of Go's own makes the second time short."""
    target = CACHE / "pairing-go"
    subprocess.run(["go", "build", "-o", target, "."], cwd=HERE / "go", check=True)
    return str(target)


@cache
def _rust() -> str:
    """Server and client on the SDK for Rust, built."""
    folder = CACHE / "pairing-rust"
    environment = os.environ | {"CARGO_TARGET_DIR": str(folder)}
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=HERE / "rust", check=True, env=environment)
    return str(folder / "debug/pairing")


def _program(name: str) -> str:
    """One of npm's."""
    return str(modules() / ".bin" / name)


def _remote(url: str) -> tuple[str, ...]:
    return (_program("mcp-remote"), url, "--transport", "http-only")


def _inspector() -> tuple[str, ...]:
    return (sys.executable, str(HERE / "clients/inspector.py"), _program("mcp-inspector"), "--cli")


def _everything(port: int) -> tuple[str, ...]:
    return ("/usr/bin/env", f"PORT={port}", _program("mcp-server-everything"), "streamableHttp")


@attrs.frozen
class Client:
    """A client: what it is made with, and how to start it."""

    made_with: str
    command: Callable[[], tuple[str, ...]]
    bridge: Callable[[str], tuple[str, ...]] | None = None
    """What it starts to get to a URL, where it does not go there itself."""


@attrs.frozen
class Server:
    """A server: what it is made with, how to start it over stdio, and what is asked of it."""

    made_with: str
    command: Callable[[], tuple[str, ...]]
    asks: Asks = OWN
    revision: str = ""
    """In which the gateway speaks to it; as it comes, if empty."""
    over_http: Callable[[int], tuple[str, ...]] | None = None
    """How to start it over HTTP on a port, for clients that go to URLs alone; all of them listen at ``/mcp``."""


CLIENTS = {
    "python-1": Client("mcp 1.26.0", lambda: _python(PYTHON_1, "clients/python_client.py", "python-1")),
    "python-2-old": Client("mcp 2.3.0, told to shake hands", lambda: _python(PYTHON_2, "clients/python_client.py", "python-2-old")),
    "python-2": Client("mcp 2.3.0", lambda: _python(PYTHON_2, "clients/python_client.py", "python-2")),
    "fastmcp": Client("fastmcp 4.2.3", lambda: _python(FASTMCP, "clients/python_client.py", "fastmcp")),
    "typescript-1": Client("@modelcontextprotocol/sdk 1.32.2", lambda: _node("clients/node_client.mjs", "typescript-1")),
    "typescript-2": Client("@modelcontextprotocol/client 2.4.0", lambda: _node("clients/node_client.mjs", "typescript-2")),
    "ai-sdk": Client("@ai-sdk/mcp 2.0.99", lambda: _node("clients/node_client.mjs", "ai-sdk")),
    "go": Client("go-sdk 1.8.0", lambda: (_go(),)),
    "rust": Client("rmcp 3.11.0", lambda: (_rust(),)),
    "mcp-remote": Client(
        "@modelcontextprotocol/sdk 1.32.2 over mcp-remote 0.15.1", lambda: _node("clients/node_client.mjs", "typescript-1"), bridge=_remote
    ),
    "inspector": Client("the Inspector's command line 2.12.0", _inspector),
}

SERVERS = {
    "python-1": Server(
        "mcp 1.26.0, FastMCP",
        lambda: _python(PYTHON_1, "servers/python_1.py"),
        over_http=lambda port: _python(PYTHON_1, "servers/python_1.py", str(port)),
    ),
    "python-2": Server(
        "mcp 2.3.0",
        lambda: _python(PYTHON_2, "servers/python_2.py"),
        over_http=lambda port: _python(PYTHON_2, "servers/python_2.py", str(port)),
    ),
    "python-2-new": Server("mcp 2.3.0", lambda: _python(PYTHON_2, "servers/python_2.py"), revision="2026-07-28"),
    "fastmcp": Server(
        "fastmcp 4.2.3",
        lambda: _python(FASTMCP, "servers/fastmcp_4.py"),
        over_http=lambda port: _python(FASTMCP, "servers/fastmcp_4.py", str(port)),
    ),
    "typescript-1": Server("@modelcontextprotocol/sdk 1.32.2", lambda: _node("servers/typescript.mjs", "typescript-1")),
    "typescript-2": Server("@modelcontextprotocol/server 2.4.0", lambda: _node("servers/typescript.mjs", "typescript-2")),
    "typescript-2-new": Server(
        "@modelcontextprotocol/server 2.4.0", lambda: _node("servers/typescript.mjs", "typescript-2"), revision="2026-07-28"
    ),
    "go": Server("go-sdk 1.8.0", lambda: (_go(), "serve")),
    "go-new": Server("go-sdk 1.8.0", lambda: (_go(), "serve"), revision="2026-07-28"),
    "rust": Server("rmcp 3.11.0", lambda: (_rust(), "serve")),
    "rust-new": Server("rmcp 3.11.0", lambda: (_rust(), "serve"), revision="2026-07-28"),
    "everything": Server(
        "server-everything 2026.8.31", lambda: (_program("mcp-server-everything"), "stdio"), asks=EVERYTHING, over_http=_everything
    ),
}
