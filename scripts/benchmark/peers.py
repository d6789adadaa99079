"""Other programs that do the same, measured in the same way: each as its authors publish it, told to log as little as it can."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .processes import Program, free_port, running
from .targets import Target, command_of_stub
from .tools import node_tool, python_tool

__all__ = ["NPM", "PYPI", "open_peers"]

PYPI = ("fastmcp (PyPI), http", "mcp-proxy (PyPI), stdio")
NPM = ("mcp-proxy (npm), stdio", "supergateway (npm), stdio")
REQUIREMENTS = ("fastmcp==4.1.2", "mcp-proxy==0.13.0", "mcp-proxy@6.7.19", "supergateway@4.0.0")
QUIET = {"FASTMCP_CHECK_FOR_UPDATES": "off"}


@contextmanager
def open_peers(folder: Path, stub: Program) -> Iterator[list[Target]]:
    """All peers that can be had on this machine, running. Those for stdio start stubs of their own, some one for each session."""
    with ExitStack() as stack:
        targets = []
        for name, command in commands(stub.url):
            port = free_port()
            whole = [argument.format(port=port) for argument in command]
            program = stack.enter_context(running(name, whole, folder, port=port, env=QUIET))
            behind = stub if name.endswith("http") else None
            targets.append(Target(name, program, f"http://127.0.0.1:{port}/mcp", behind, "direct", counts=False))
        yield targets


def commands(url: str) -> Iterator[tuple[str, list[str]]]:
    """Name and command of each peer, with a place for the port."""
    stdio = command_of_stub("stdio")
    fastmcp, mcp_proxy, node_proxy, supergateway = REQUIREMENTS
    program = str(python_tool("fastmcp", fastmcp) / "fastmcp")
    yield PYPI[0], [program, "run", url, "--transport", "http", "--port", "{port}", "--no-banner", "--log-level", "ERROR"]
    program = str(python_tool("mcp-proxy-pypi", mcp_proxy) / "mcp-proxy")
    yield PYPI[1], [program, "--port", "{port}", "--log-level", "ERROR", "--", *stdio]
    folder = node_tool("mcp-proxy-npm", node_proxy)
    other = node_tool("supergateway", supergateway)
    if folder is None or other is None:
        print("npm is not installed: the peers that come from there are left out", file=sys.stderr)
        return
    options = ["--host", "127.0.0.1", "--port", "{port}"]
    yield NPM[0], [str(folder / "mcp-proxy"), *options, "--", *stdio]
    options = ["--outputTransport", "streamableHttp", "--stateful", "--logLevel", "none", "--port", "{port}"]
    yield NPM[1], [str(other / "supergateway"), "--stdio", shlex.join(stdio), *options]
