"""A small and fast MCP server that says something before it answers, over HTTP or stdio; beside `stub`, which only answers.

Run as a program: ``python talking_stub.py http`` writes its URL to stdout; ``python talking_stub.py stdio``.

Tools: ``echo`` answers at once, ``notes`` tells ten times how far it is, and ``ask`` asks its client before it answers. Each message is written
by itself, as servers do. It never checks what it is sent beyond what it needs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httptools
import msgspec

__all__ = ["NOTES"]

NOTES = 10
URL = "http://127.0.0.1:%d/mcp"
TOOLS = msgspec.json.encode({"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "notes", "ask")]})
RESULT = b'{"content":[{"type":"text","text":"done"}]}'
QUESTION = b'"method":"elicitation/create","params":{"message":"sure?","requestedSchema":{"type":"object","properties":{}}}}'
HELLO = {"capabilities": {"tools": {}}, "serverInfo": {"name": "talking", "version": "1"}}

Say = Callable[[bytes], object]


class Message(msgspec.Struct):
    """What is read of a message."""

    method: str = ""
    id: msgspec.Raw = msgspec.Raw(b"")
    params: dict[str, Any] = {}


read_message = msgspec.json.Decoder(Message).decode


class Stub:
    """What both transports share: from a message to what is said because of it."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, tuple[bytes, Say]] = {}
        """Questions by their ids: the call, and the way on which its answer goes."""
        self.asked = 0

    def take(self, message: Message, say: Say) -> None:
        """Say what is to be said, message by message; the last one has a result."""
        call = bytes(message.id)
        if not message.method:
            call, say = self.waiting.pop(call)
        match message.params.get("name"):
            case "notes":
                token = msgspec.json.encode(message.params["_meta"]["progressToken"])
                for number in range(NOTES):
                    say(
                        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b,"progress":%d}}' % (token, number)
                    )
            case "ask":
                self.asked += 1
                self.waiting[b"%d" % self.asked] = call, say
                say(b'{"jsonrpc":"2.0","id":%d,%b' % (self.asked, QUESTION))
                return
        say(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (call, self.result(message)))

    @staticmethod
    def result(message: Message) -> bytes:
        """The result of a request."""
        match message.method:
            case "tools/list":
                return TOOLS
            case "initialize":
                return msgspec.json.encode(HELLO | {"protocolVersion": message.params["protocolVersion"]})
        return RESULT


def document(body: bytes, more: bytes = b"") -> bytes:
    """An HTTP response with a JSON body."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (more, len(body), body)


ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
NOT_ALLOWED = b"HTTP/1.1 405 Method Not Allowed\r\nallow: POST, DELETE\r\ncontent-length: 0\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client over HTTP; a session for each ``initialize``."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self.body = b""
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A piece of a body came."""
        self.body += body

    def on_message_complete(self) -> None:
        """A request is there."""
        body, self.body = self.body, b""
        if self.parser.get_method() != b"POST":
            self.transport.write(document(b"{}") if self.parser.get_method() == b"DELETE" else NOT_ALLOWED)
            return
        message = read_message(body)
        if message.params.get("name") in {"notes", "ask"}:
            self.transport.write(STREAM)
            self.stub.take(message, self.say_event)
        elif message.method == "initialize":
            self.stub.take(
                message, lambda answer: self.transport.write(document(answer, b"mcp-session-id: %b\r\n" % os.urandom(8).hex().encode()))
            )
        elif message.id and message.method:
            self.stub.take(message, lambda answer: self.transport.write(document(answer)))
        else:
            self.transport.write(ACCEPTED)
            if not message.method:
                self.stub.take(message, self.say_event)

    def say_event(self, message: bytes) -> None:
        """One event of a stream; the one with the result is the last."""
        event = b"event: message\ndata: %b\n\n" % message
        self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        if b'"result":' in message:
            self.transport.write(b"0\r\n\r\n")


async def serve_http(stub: Stub) -> None:
    """Listen on a free port of loopback until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stub), "127.0.0.1", 0, backlog=1024)
    print(URL % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def serve_stdio(stub: Stub) -> None:
    """Answer until stdin ends."""
    waiting = b""
    while data := os.read(0, 1 << 16):
        *lines, waiting = (waiting + data).split(b"\n")
        for message in map(read_message, filter(None, lines)):
            if message.id:
                stub.take(message, write_line)


def write_line(line: bytes) -> None:
    """To stdout; each is shorter than what a pipe takes at once."""
    os.write(1, line + b"\n")


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("transport", choices=["http", "stdio"])
    if parser.parse_args().transport == "stdio":
        serve_stdio(Stub())
    else:
        asyncio.run(serve_http(Stub()))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        main()
    sys.exit(0)
