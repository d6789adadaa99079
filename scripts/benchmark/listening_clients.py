"""Clients for `streamed`: each calls one tool again and again, reads its answer as it comes, and answers what it is asked.

Run as a program: ``python listening_clients.py --connections 16 --calls 1000 URL TOOL``. Each client has a session and two connections of its own,
one for its calls and one for its answers. At the end how many messages came is written to stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from urllib.parse import urlsplit

import httptools
import msgspec

VERSION = "2025-11-25"


class Line(asyncio.Protocol):
    """One connection; a request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.parser = httptools.HttpResponseParser(self)
        self.body = b""
        self.headers: dict[bytes, bytes] = {}
        self.messages = 0
        self.answers: Line | None = None
        """Where what is asked on this one is answered."""
        self.session = ""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits hears of it."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the connection was lost"))

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came."""
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """A piece of a body: all whole events of a stream are read at once."""
        self.body += body
        if self.headers.get(b"content-type") == b"text/event-stream":
            *events, self.body = self.body.split(b"\n\n")
            for event in events:
                self.messages += b"data: {" in event
                if b'"elicitation/create"' in event:
                    self.answer(event.partition(b"data: ")[2])

    def answer(self, question: bytes) -> None:
        """Agree to what is asked."""
        assert self.answers is not None
        number = msgspec.json.decode(question)["id"]
        self.answers.send(b'{"jsonrpc":"2.0","id":%d,"result":{"action":"accept","content":{}}}' % number, self.session)

    def on_message_complete(self) -> None:
        """The answer has ended."""
        self.messages += self.body[:1] == b"{"
        if not self.done.done():
            self.done.set_result(None)
        self.parser = httptools.HttpResponseParser(self)

    def send(self, body: bytes, session: str = "") -> None:
        """Send a message."""
        self.body, self.done = b"", asyncio.get_running_loop().create_future()
        known = f"mcp-session-id: {session}\r\nmcp-protocol-version: {VERSION}\r\n" if session else ""
        head = f"POST {PATH} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n{known}"
        self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


async def be_client(host: str, port: int, tool: str, calls: int) -> int:
    """Open a session and call so often; how many messages came on the way."""
    loop = asyncio.get_running_loop()
    (_, line), (_, answers) = [await loop.create_connection(Line, host, port) for _ in range(2)]
    hello = {"protocolVersion": VERSION, "capabilities": {"elicitation": {}}, "clientInfo": {"name": "bench", "version": "1"}}
    line.send(msgspec.json.encode({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}))
    await line.done
    line.session, line.answers = line.headers[b"mcp-session-id"].decode(), answers
    line.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}', line.session)
    await line.done
    line.messages = 0
    for number in range(1, calls + 1):
        params = {"name": tool, "arguments": {}, "_meta": {"progressToken": number}}
        line.send(msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}), line.session)
        await line.done
    line.transport.close()
    answers.transport.close()
    return line.messages


async def be_all(connections: int, host: str, port: int, tool: str, calls: int) -> None:
    """All clients at once."""
    print(sum(await asyncio.gather(*[be_client(host, port, tool, calls) for _ in range(connections)])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("tool")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--calls", type=int, default=500)
    told = parser.parse_args()
    parts = urlsplit(told.url)
    HOST, PATH = parts.netloc, parts.path
    gc.disable()
    asyncio.run(be_all(told.connections, str(parts.hostname), parts.port or 80, told.tool, told.calls))
