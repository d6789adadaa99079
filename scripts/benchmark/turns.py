"""Processor time of a gateway's loop while it is attacked, from within: `turned` counts, and this tells it when."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .processes import Failed
from .sessions import open_sessions
from .targets import Target

__all__ = ["counting", "turned_command"]

SCRIPT = Path(__file__).with_name("turned.py")
PATIENCE = 20.0


def turned_command(folder: Path) -> tuple[str, ...]:
    """``sluicegate``, ready to be counted with files in that folder."""
    return (sys.executable, str(SCRIPT), str(folder))


@contextmanager
def counting(target: Target, folder: Path) -> Iterator[dict[str, Any]]:
    """Count for the length of a block; what was found is in the dict at its end. ``target`` was started by `turned_command` with this folder."""
    process, found = target.program.process, folder / "turns.json"
    parts = urlsplit(target.url)
    (session,) = open_sessions(target.url, 1)
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": target.tool("echo"), "arguments": {}}})
    requests = {"call": _request(f"POST {parts.path}", parts.netloc, session, call), "livez": _request("GET /livez", parts.netloc)}
    (folder / "asked.json").write_text(json.dumps({"port": parts.port, "requests": requests}), encoding="utf-8")
    found.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    counted: dict[str, Any] = {}
    yield counted
    process.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while not found.exists():
        if time.monotonic() > deadline:
            raise Failed(f"the gateway has counted nothing:\n{target.program.tail()}")
        time.sleep(0.01)
    counted.update(json.loads(found.read_text(encoding="utf-8")))


def _request(line: str, host: str, session: str = "", body: str = "") -> str:
    lines = [f"{line} HTTP/1.1", f"host: {host}"]
    if body:
        lines += ["content-type: application/json", "accept: application/json, text/event-stream", f"mcp-session-id: {session}"]
        lines += ["mcp-protocol-version: 2025-06-18", f"content-length: {len(body)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body
