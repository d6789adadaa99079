"""Well-behaved clients for `attack` and `drain`: they tell of every single call when it was sent and what came of it.

Run as a program: ``python clients.py --connections 8 --pause 0.02 --calls 0 -- URL SESSION TOOL ARGUMENTS``. Each connection calls, waits for the
answer, pauses, and calls again, until SIGTERM or after ``--calls``; then one JSON object goes to stdout. Without a tool it gets the URL instead. A line ``started`` on stderr says that all
have sent their first call. Times are those of CLOCK_MONOTONIC, the same in all processes of a machine.

One loop of asyncio with a callback for what comes: on a small machine, what these compute is taken from what they measure.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import random
import signal
import sys
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import attrs
import httptools

PATIENCE = 60.0
LIFETIME = 600.0
"""Seconds after which these end by themselves, should nobody be there any more to tell them to."""
AGAIN = 0.05
"""Seconds until a connection that was refused is tried again."""
CHANCE = random.Random(1)
"""How long each pause is: answered together and pausing as long, all would call together again, and wait for each other."""


@attrs.define
class Outcome:
    """One call."""

    id: int
    sent: float
    ended: float = math.inf
    what: str = "unanswered"
    """The HTTP status, ``wrong`` for an answer that is not to this call, or ``lost`` where the connection broke."""


@attrs.define(eq=False)
class Clients:
    """What they all share."""

    url: str
    session: str
    tool: str
    arguments: dict[str, Any]
    pause: float
    calls: int
    """Of each connection; 0 is any number."""
    outcomes: list[Outcome] = attrs.field(factory=list)
    refused: int = 0
    """Connections that could not be opened."""
    stopping: bool = False
    expected: int = 0
    all_called: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set when there have been as many calls as there are connections."""

    async def run(self, connections: int) -> None:
        """Call until told to stop; what was sent is waited for."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, told.set)
        self.expected = connections
        callers = [asyncio.create_task(self.keep_calling(number / connections * self.pause)) for number in range(connections)]
        await self.all_called.wait()
        print("started", file=sys.stderr, flush=True)
        stopped = asyncio.create_task(told.wait())
        done = asyncio.create_task(asyncio.wait(callers))
        await asyncio.wait({stopped, done}, timeout=LIFETIME, return_when=asyncio.FIRST_COMPLETED)
        self.stopping = True
        await asyncio.wait(callers, timeout=PATIENCE)
        stopped.cancel()

    async def keep_calling(self, delay: float) -> None:
        """One connection after the other, for as long as there are any."""
        await asyncio.sleep(delay)
        loop, parts = asyncio.get_running_loop(), urlsplit(self.url)
        host, port = str(parts.hostname), parts.port or 80
        made = 0
        while not self.stopping and (made < self.calls or not self.calls):
            try:
                _transport, connection = await loop.create_connection(partial(Connection, self, made), host, port)
            except OSError:
                self.refused += 1
                await asyncio.sleep(AGAIN)
                continue
            made = await connection.ended

    def request(self, number: int) -> bytes:
        """The bytes of a call, or of a GET."""
        parts = urlsplit(self.url)
        if not self.tool:
            return f"GET {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n\r\n".encode()
        body = json.dumps(
            {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": self.tool, "arguments": self.arguments}}
        )
        lines = [
            f"POST {parts.path} HTTP/1.1",
            f"host: {parts.netloc}",
            "content-type: application/json",
            "accept: application/json, text/event-stream",
            "mcp-protocol-version: 2025-06-18",
            f"mcp-session-id: {self.session}",
            f"content-length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Connection(asyncio.Protocol):
    """One connection of HTTP/1.1; its future ``ended`` gives how many calls its client has made by then."""

    def __init__(self, clients: Clients, made: int) -> None:
        self.clients = clients
        self.made = made
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self.loop.create_future()
        self.outcome: Outcome | None = None
        """The call that is waited for."""
        self.body = b""
        self.transport: asyncio.Transport
        self.parser: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the first call."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.call()

    def call(self) -> None:
        """Make a call, if there is to be another one."""
        clients = self.clients
        if clients.stopping or self.transport.is_closing() or (clients.calls and self.made >= clients.calls):
            self.transport.close()
            return
        self.made += 1
        number = len(clients.outcomes) + 1
        request = clients.request(number)
        self.body = b""
        self.parser = httptools.HttpResponseParser(self)
        self.outcome = Outcome(number, time.monotonic())
        clients.outcomes.append(self.outcome)
        if len(clients.outcomes) >= clients.expected:
            clients.all_called.set()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """A piece of the answer came."""
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self.body += body

    def on_message_complete(self) -> None:
        """The answer has ended."""
        outcome, status = self.outcome, self.parser.get_status_code()
        assert outcome is not None
        is_ours = not self.clients.tool or (f'"id":{outcome.id},'.encode() in self.body and b'"result"' in self.body)
        right = status != 200 or is_ours
        self.end(str(status) if right else "wrong")
        if self.parser.should_keep_alive():
            self.loop.call_later(self.clients.pause * CHANCE.uniform(0.5, 1.5), self.call)
        else:
            self.transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """So is the call that was waited for."""
        self.end("lost")
        self.ended.set_result(self.made)

    def end(self, what: str) -> None:
        """Nothing is waited for any more."""
        if self.outcome is not None:
            self.outcome.ended, self.outcome.what = time.monotonic(), what
            self.outcome = None


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("session")
    parser.add_argument("tool")
    parser.add_argument("arguments", type=json.loads)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.02)
    parser.add_argument("--calls", type=int, default=0)
    told = parser.parse_args()
    clients = Clients(told.url, told.session, told.tool, told.arguments, told.pause, told.calls)
    gc.disable()  # a pause of our own would look like one of the gateway
    asyncio.run(clients.run(told.connections))
    print(json.dumps({"refused": clients.refused, "outcomes": [attrs.astuple(outcome) for outcome in clients.outcomes]}))


if __name__ == "__main__":
    main()
