"""A small and fast MCP server, so that what is measured is the gateway in front of it: over HTTP or stdio.

Run as a program: ``python stub.py http [--tools N] [--loop trio]`` writes its URL to stdout; ``python stub.py stdio [--tools N]``.

Tools: ``echo`` answers at once, ``large`` with a mebibyte, ``slow`` after ``{"seconds": 1.5}``, ``count`` with how often ``echo`` was called since
the start; further ones (``--tools``) are like ``echo``. It never checks what it is sent beyond what it needs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httptools
import msgspec

__all__ = ["LOOPS", "MARK"]

MARK = "answered by the stub"
"""Stands in every answer of ``echo``: who finds it has a real answer."""

LOOPS = ("asyncio", "trio")
"""Whose event loop serves HTTP: the one that costs least, or the gateway's own."""

OWN = ("echo", "large", "slow", "count")
LARGE = 1024 * 1024
URL = "http://127.0.0.1:%d/mcp"
SESSION = "0123456789abcdef0123456789abcdef"


class Params(msgspec.Struct):
    """What is read of a call."""

    name: str = ""
    arguments: dict[str, Any] = {}
    protocolVersion: str = ""  # noqa: N815  the protocol's spelling


class Message(msgspec.Struct):
    """What is read of a message."""

    method: str = ""
    id: msgspec.Raw = msgspec.Raw(b"")
    params: Params = msgspec.field(default_factory=Params)


def text_result(text: str) -> bytes:
    """A tool's result with one text."""
    return msgspec.json.encode({"content": [{"type": "text", "text": text}]})


HELLO = {"capabilities": {"tools": {}}, "serverInfo": {"name": "stub", "version": "1"}}
ECHO = text_result(MARK)
read_message = msgspec.json.Decoder(Message).decode


class Stub:
    """What both transports share: from a message to its answer."""

    def __init__(self, tools: int) -> None:
        self.calls = 0
        names = [*OWN, *(f"echo_{number}" for number in range(max(0, tools - len(OWN))))]
        schema = {"type": "object", "properties": {"message": {"type": "string", "description": "what to say"}}}
        hints = {"readOnlyHint": True}
        listed = [
            {"name": name, "description": f"The tool {name} of the stub.", "inputSchema": schema, "annotations": hints} for name in names
        ]
        self.tools = msgspec.json.encode({"tools": listed})
        self.large = text_result("x" * LARGE)

    def answer(self, data: bytes) -> tuple[float, bytes] | None:
        """In how many seconds to respond, and what; None where nothing is due."""
        message = read_message(data)
        if not message.id:
            return None
        response = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (message.id, self.result(message))
        seconds = float(message.params.arguments.get("seconds", 1)) if message.params.name == "slow" else 0.0
        return seconds, response

    def result(self, message: Message) -> bytes:
        """The result of a request."""
        match message.method:
            case "tools/call":
                return self.call(message.params.name)
            case "tools/list":
                return self.tools
            case "initialize":
                return msgspec.json.encode(HELLO | {"protocolVersion": message.params.protocolVersion})
        return b"{}"

    def call(self, name: str) -> bytes:
        """The result of a tool."""
        if name == "count":
            return text_result(str(self.calls))
        if name == "large":
            return self.large
        self.calls += 1
        return ECHO


def answered(body: bytes, more: bytes = b"") -> bytes:
    """An HTTP response with a JSON body."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (more, len(body), body)


ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
NOT_ALLOWED = b"HTTP/1.1 405 Method Not Allowed\r\nallow: POST, DELETE\r\ncontent-length: 0\r\n\r\n"
NEW_SESSION = b"mcp-session-id: %b\r\n" % SESSION.encode()


class Conversation:
    """What one client says; its requests are answered in order, because no client here sends a second before the first is answered."""

    def __init__(self, stub: Stub, write: Callable[[bytes], object], later: Callable[[float, bytes], object]) -> None:
        self.stub = stub
        self.write = write
        self.later = later
        self.parser = httptools.HttpRequestParser(self)
        self.hear: Callable[[bytes], object] = self.parser.feed_data
        self.body = b""

    def on_body(self, body: bytes) -> None:
        """A piece of a body came."""
        self.body += body

    def on_message_complete(self) -> None:
        """A request is there."""
        body, self.body = self.body, b""
        method = self.parser.get_method()
        if method != b"POST":
            self.write(answered(b"{}") if method == b"DELETE" else NOT_ALLOWED)
            return
        if (due := self.stub.answer(body)) is None:
            self.write(ACCEPTED)
            return
        seconds, response = due
        if seconds:
            self.later(seconds, answered(response))
        else:
            self.write(answered(response, NEW_SESSION if b'"initialize"' in body else b""))


class Connection(asyncio.Protocol):
    """One client, on asyncio."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self.hear: Callable[[bytes], object]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        loop = asyncio.get_running_loop()
        conversation = Conversation(self.stub, transport.write, lambda seconds, data: loop.call_later(seconds, transport.write, data))
        self.hear = conversation.hear

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.hear(data)


async def serve_on_asyncio(stub: Stub) -> None:
    """Listen on a free port of loopback until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stub), "127.0.0.1", 0, backlog=1024)
    print(URL % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def serve_on_trio(stub: Stub) -> None:
    """The same on Trio: what the least costs that a server on the gateway's own event loop has to do."""
    import trio

    async def converse(stream: trio.SocketStream) -> None:
        written: list[bytes] = []
        conversation = Conversation(stub, written.append, lambda seconds, data: nursery.start_soon(speak_later, stream, seconds, data))
        with suppress(trio.BrokenResourceError):
            while data := await stream.receive_some(65536):
                conversation.hear(data)
                if written:
                    await stream.send_all(b"".join(written))
                    written.clear()

    async def speak_later(stream: trio.SocketStream, seconds: float, data: bytes) -> None:
        await trio.sleep(seconds)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_all(data)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        print(URL % listener.socket.getsockname()[1], flush=True)
        await trio.serve_listeners(converse, [listener])


def serve_stdio(stub: Stub) -> None:
    """Answer until stdin ends: everything that has come is read at once, and answered with one write."""
    waiting = b""
    while data := os.read(0, 1 << 16):
        *lines, waiting = (waiting + data).split(b"\n")
        ready = []
        for seconds, response in filter(None, map(stub.answer, filter(None, lines))):
            if seconds:
                timer = threading.Timer(seconds, write_line, (response,))
                timer.daemon = True
                timer.start()
            else:
                ready.append(response)
        if ready:
            write_line(b"\n".join(ready))


def write_line(line: bytes) -> None:
    """To stdout; what timers write is shorter than what a pipe takes at once, so nothing gets in between."""
    line += b"\n"
    while line:
        line = line[os.write(1, line) :]


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("transport", choices=["http", "stdio"])
    parser.add_argument("--tools", type=int, default=len(OWN))
    parser.add_argument("--loop", choices=LOOPS, default=LOOPS[0])
    arguments = parser.parse_args()
    stub = Stub(arguments.tools)
    gc.freeze()
    if arguments.transport == "stdio":
        serve_stdio(stub)
    elif arguments.loop == "trio":
        import trio  # only here, because the others start faster without it

        trio.run(serve_on_trio, stub)
    else:
        asyncio.run(serve_on_asyncio(stub))


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)
