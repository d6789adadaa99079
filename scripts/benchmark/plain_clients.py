"""Clients that call a tool again and again over kept connections: in sessions, or without (2026-07-28), in requests of one size else.

Run as a program: ``python plain_clients.py URL TOOL (session | lone)``; writes how many calls were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from urllib.parse import urlsplit

NEW = "2026-07-28"
OURS = "io.modelcontextprotocol/"
HEAD = "POST /mcp HTTP/1.1\r\nhost: {host}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\n"


class Connection:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader, self.writer, self.host = reader, writer, host

    async def post(self, head: str, body: bytes) -> tuple[dict[str, str], bytes]:
        """Send a request, and read the answer, which must be JSON, or nothing."""
        whole = HEAD.format(host=self.host) + head + f"content-length: {len(body)}\r\n\r\n"
        self.writer.write(whole.encode() + body)
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        answer = await self.reader.readexactly(int(headers.get("content-length", 0)))
        if first.split()[1] not in {"200", "202"}:
            raise RuntimeError(f"{first}: {answer[:300]!r}")
        return headers, answer


def message(method: str, **params: object) -> bytes:
    """A request."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


async def in_a_session(connection: Connection) -> str:
    """The headers of requests in a new one."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    headers, _ = await connection.post("", message("initialize", **hello))
    head = f"mcp-session-id: {headers['mcp-session-id']}\r\nmcp-protocol-version: 2025-11-25\r\n"
    await connection.post(head, b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    return head


async def client(url: str, tool: str, calls: int, *, alone: bool) -> int:
    """One of them; how many calls were answered with a result."""
    host = urlsplit(url)
    connection = Connection(*await asyncio.open_connection(host.hostname, host.port), host.netloc)
    call: dict[str, object] = {"name": tool, "arguments": {"text": "hello"}}
    head = ""
    if alone:
        head = f"mcp-protocol-version: {NEW}\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n"
        call["_meta"] = {
            f"{OURS}protocolVersion": NEW,
            f"{OURS}clientCapabilities": {},
            f"{OURS}clientInfo": {"name": "bench", "version": "1"},
        }
    else:
        head = await in_a_session(connection)
    body, answered = message("tools/call", **call), 0
    for _ in range(calls):
        _headers, answer = await connection.post(head, body)
        answered += b'"result"' in answer
    connection.writer.close()
    return answered


async def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("tool")
    parser.add_argument("kind", choices=("session", "lone"))
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args()
    clients = [client(given.url, given.tool, given.calls, alone=given.kind == "lone") for _ in range(given.connections)]
    print(sum(await asyncio.gather(*clients)))


if __name__ == "__main__":
    asyncio.run(main())
