"""MCP as a client speaks it: sessions, and single calls."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2

from .processes import Failed

__all__ = ["ACCEPT", "call", "find_tool", "open_sessions"]

VERSION = "2025-06-18"
ACCEPT = {"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": VERSION}
PATIENCE = 30.0


def open_sessions(url: str, number: int, token: str = "") -> list[str]:
    """Shake hands so often; the session ids, "-" for those of a server that gives none."""
    with httpx2.Client(headers=ACCEPT | _as(token), timeout=PATIENCE, trust_env=False) as http:
        return [_open(http, url) for _ in range(number)]


def _open(http: httpx2.Client, url: str) -> str:
    hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    answer = http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    if not answer.is_success:
        raise Failed(f"{url} refused a session: {answer.status_code} {answer.text[:500]}")
    session = answer.headers.get("mcp-session-id", "-")
    http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=_of(session))
    return session


def call(url: str, session: str, tool: str, **arguments: object) -> str:
    """The text that a tool answers."""
    body = {"jsonrpc": "2.0", "id": "bench", "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    answer = httpx2.post(url, json=body, headers=ACCEPT | _of(session), timeout=PATIENCE, trust_env=False)
    message = _message(answer)
    try:
        text: str = message["result"]["content"][0]["text"]
    except (KeyError, IndexError):
        raise Failed(f"{tool} answered {message}") from None
    return text


def find_tool(url: str, session: str, ending: str, token: str = "") -> str:
    """The listed tool whose name ends so, waiting a little for a server that is still starting."""
    body = {"jsonrpc": "2.0", "id": "bench", "method": "tools/list", "params": {}}
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = httpx2.post(url, json=body, headers=ACCEPT | _as(token) | _of(session), timeout=PATIENCE, trust_env=False)
        names = [tool["name"] for tool in _message(answer).get("result", {}).get("tools", [])]
        for name in names:
            if name.endswith(ending):
                return str(name)
        if time.monotonic() > deadline:
            raise Failed(f"{url} lists no tool {ending!r}, but {names}")
        time.sleep(0.05)


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _of(session: str) -> dict[str, str]:
    return {} if session == "-" else {"Mcp-Session-Id": session}


def _message(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC response in an answer, plain or as the last event of a stream."""
    text = answer.text
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        text = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:") and line != "data:"][-1]
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise Failed(f"{answer.status_code} without JSON: {text[:300]}") from None
    return found
