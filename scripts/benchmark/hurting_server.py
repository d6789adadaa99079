"""A backend that hurts, for `floods`: ``python hurting_server.py stdio`` or ``python hurting_server.py http``.

Its tools do what they are called, ``count`` times where that is given: ``pings`` on the GET stream, ``questions`` (sampling requests), ``chatter``
(lines on stderr), ``deep`` (an answer nested so deeply). What is called meanwhile waits.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from yielding import yield_the_processor

TOOLS = ("pings", "questions", "chatter", "deep")
BATCH = 100
"""Messages that are written together."""
CHUNK = 256 * 1024
STREAM_LIFETIME = 600.0


def result_of(message: dict[str, Any]) -> dict[str, Any]:
    """What is answered to everything but the calls."""
    match message["method"]:
        case "initialize":
            capabilities: dict[str, Any] = {"tools": {}}
            return {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": capabilities,
                "serverInfo": {"name": "hurting", "version": "1"},
            }
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    return {"content": []}


def answer(message: dict[str, Any]) -> bytes:
    """The answer to a request, on one line."""
    params = message.get("params", {})
    if message["method"] == "tools/call" and params["name"] == "deep":
        depth = params["arguments"]["count"]
        return b'{"jsonrpc":"2.0","id":%d,"result":{"content":[],"a":%b}}' % (message["id"], b"[" * depth + b"]" * depth)
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result_of(message)}).encode()


def flood(message: dict[str, Any], write: Callable[[bytes], None]) -> None:
    """What a call is there for, before its answer."""
    name, count = message["params"]["name"], message["params"]["arguments"].get("count", 0)
    for start in range(0, count if name != "deep" else 0, BATCH):
        numbers = range(start, min(start + BATCH, count))
        if name == "chatter":
            sys.stderr.write("".join(f"line {number} of what nobody asked for\n" for number in numbers))
        else:
            method = "ping" if name == "pings" else "sampling/createMessage"
            params: dict[str, Any] = {} if name == "pings" else {"messages": [], "maxTokens": 1}
            asked = ({"jsonrpc": "2.0", "id": f"q{number}", "method": method, "params": params} for number in numbers)
            write(b"".join(json.dumps(one).encode() + b"\n" for one in asked))
    sys.stderr.flush()


def serve_stdio() -> None:
    """Read requests from stdin until it ends."""

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "method" in message and "id" in message:
            if message["method"] == "tools/call":
                flood(message, write)
            write(answer(message) + b"\n")


class Streams:
    """The open GET streams."""

    writers: list[Callable[[bytes], None]] = []  # noqa: RUF012

    @classmethod
    def write(cls, lines: bytes) -> None:
        """One event for each line, on all of them."""
        events = b"".join(b"data: " + line + b"\n\n" for line in lines.splitlines())
        for writer in list(cls.writers):
            try:
                writer(b"%x\r\n%b\r\n" % (len(events), events))
            except OSError:
                cls.writers.remove(writer)


class Handler(BaseHTTPRequestHandler):
    """Streamable HTTP, as little of it as will do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a request."""
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in message or "method" not in message:
            self.reply(202, b"")
            return
        if message["method"] == "tools/call":
            flood(message, Streams.write)
        self.reply(200, answer(message))

    def reply(self, status: int, body: bytes) -> None:
        """One response."""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("mcp-session-id", "one")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Open a stream, and keep it."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        Streams.writers.append(self.wfile.write)
        threading.Event().wait(STREAM_LIFETIME)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve as the argument says."""
    yield_the_processor()
    if sys.argv[1] == "stdio":
        serve_stdio()
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}/mcp ", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
