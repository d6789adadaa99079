"""Pinned packages under ``.cache/peers``, installed once."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .servers import NPM, Server

__all__ = ["CACHE", "node_modules", "program", "python_for"]

CACHE = Path(".cache/peers").resolve()
CLIENTS = {
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/client": "2.4.0",
    "@ai-sdk/mcp": "2.0.99",
}


@contextmanager
def missing(folder: Path, wanted: str) -> Iterator[bool]:
    """Whether a folder does not hold what is wanted yet; it does after the block. Several processes may ask, and one of them installs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "stamp"
        is_missing = not stamp.exists() or stamp.read_text() != wanted
        yield is_missing
        if is_missing:
            stamp.write_text(wanted)


def node_modules() -> Path:
    """All packages of npm, servers and clients."""
    folder = CACHE / "npm"
    wanted = json.dumps({"private": True, "dependencies": NPM | CLIENTS})
    with missing(folder, wanted) as is_missing:
        if is_missing:
            print("installing packages of npm", file=sys.stderr)
            folder.mkdir(exist_ok=True)
            (folder / "package.json").write_text(wanted)
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return folder / "node_modules"


def python_for(name: str, requirements: tuple[str, ...]) -> Path:
    """The folder of programs of an environment with these requirements."""
    folder = CACHE / name
    wanted = "\n".join((*requirements, sys.version, str(folder)))
    with missing(folder, wanted) as is_missing:
        if is_missing:
            print(f"installing {' '.join(requirements)}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements], check=True)
    return folder / "bin"


def program(server: Server) -> list[str]:
    """Its command, installed."""
    folder = python_for(f"server-{server.name}", server.python) if server.python else node_modules() / ".bin"
    return [str(folder / server.command[0]), *server.command[1:]]
