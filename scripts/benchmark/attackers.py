"""Clients that hurt, for `attack`.

Run as a program: ``python attackers.py --drippers 500 --stalled 100 --resetters 100 --idle 1000 -- URL SESSION LARGE_TOOL``; it goes on until
SIGTERM, and writes one JSON object to stdout: for each kind a list of connections, each ``[local port, opened, ended or null]`` in the time of
CLOCK_MONOTONIC. A line ``all there`` on stderr says that all are connected.

Half of the drippers send a byte a second of a request's head, half of its body. A stalled one asks for some mebibytes and reads none of them.
A resetter resets its connection in the middle of a body, once a second. An idle one makes one request and keeps its connection.

One loop of asyncio with callbacks: nearly two thousand connections must not take the processor from whom they attack.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import socket
import struct
import sys
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import attrs
from yielding import yield_the_processor

OPENED_PER_SECOND = 400
LARGE_ANSWERS = 8
"""Mebibytes that a stalled client asks for: more than the buffers of two sockets hold."""
SMALL_BUFFER = 4096
LIFETIME = 600.0
"""Seconds after which these end by themselves, should nobody be there any more to tell them to."""
AGAIN = 0.5
"""Seconds until a connection that the gateway has closed comes again."""
PATIENCE = 10.0
"""Seconds that all of them may take to connect."""
Record = list[float | None]


@attrs.define(eq=False)
class Attackers:
    """What they all share."""

    url: str
    session: str
    large: str
    seen: dict[str, list[Record]] = attrs.field(factory=lambda: defaultdict(list))
    waiting: int = 0
    """Attackers that have not connected yet."""
    there: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set once all have."""
    answers: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))
    """First lines of what drippers were told, and how often."""

    async def run(self, numbers: dict[str, int]) -> None:
        """Attack until SIGTERM."""
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        kinds = [kind for name, number in numbers.items() for kind in self.kinds(name, number)]
        self.waiting = len(kinds)
        tasks = []
        for kind in kinds:
            tasks.append(asyncio.create_task(self.again_and_again(kind)))
            await asyncio.sleep(1 / OPENED_PER_SECOND)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.there.wait(), PATIENCE)
        print("all there", file=sys.stderr, flush=True)
        await asyncio.wait([asyncio.create_task(told.wait())], timeout=LIFETIME)
        for task in tasks:
            task.cancel()

    def kinds(self, name: str, number: int) -> list[type[Attacker]]:
        """What each attacker of that name is."""
        some: dict[str, type[Attacker]] = {"stalled": Stalled, "resetters": Resetter, "idle": Idle}
        return [some.get(name) or (HeadDripper, BodyDripper)[place % 2] for place in range(number)]

    async def again_and_again(self, kind: type[Attacker]) -> None:
        """Come back whenever the connection has ended."""
        loop, parts = asyncio.get_running_loop(), urlsplit(self.url)
        first = True
        while True:
            sock = socket.socket()
            sock.setblocking(False)
            if kind.buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kind.buffer)
            try:
                await loop.sock_connect(sock, (parts.hostname, parts.port))
                _transport, attacker = await loop.create_connection(partial(kind, self), sock=sock)
            except OSError:
                sock.close()
            else:
                if first:
                    first = False
                    self.arrived()
                await attacker.ended
            await asyncio.sleep(AGAIN)

    def arrived(self) -> None:
        """One more is there."""
        self.waiting -= 1
        if self.waiting == 0:
            self.there.set()

    def head(self, length: int) -> bytes:
        """A request that announces so many bytes."""
        parts = urlsplit(self.url)
        lines = [
            f"POST {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"Mcp-Session-Id: {self.session}",
            f"Content-Length: {length}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Attacker(asyncio.Protocol):
    """One connection, with its entry in the record."""

    kind = ""
    buffer = 0
    """Bytes of the socket's buffer for what comes, where it matters."""

    def __init__(self, attackers: Attackers) -> None:
        self.attackers = attackers
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.record: Record = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.record = [transport.get_extra_info("sockname")[1], time.monotonic(), None]
        self.attackers.seen[self.kind].append(self.record)
        self.begin()

    def begin(self) -> None:
        """Do what hurts."""
        raise NotImplementedError

    def connection_lost(self, _error: Exception | None) -> None:
        """The gateway has ended it, or we have."""
        self.record[2] = time.monotonic()
        if not self.ended.done():  # it is cancelled at the end
            self.ended.set_result(None)


class HeadDripper(Attacker):
    """Sends a request a byte a second."""

    kind = "drippers in the head"

    def begin(self) -> None:
        """The first byte."""
        self.drip(self.attackers.head(100_000))

    def drip(self, rest: bytes) -> None:
        """The next byte."""
        if not self.transport.is_closing():
            self.transport.write(rest[:1])
            self.loop.call_later(1, self.drip, rest[1:])

    def data_received(self, data: bytes) -> None:
        """It was told off; the end comes next."""
        if data.startswith(b"HTTP/"):
            self.attackers.answers[data.partition(b"\r\n")[0].decode("latin-1")] += 1


class BodyDripper(HeadDripper):
    """Sends the head at once and the body a byte a second."""

    kind = "drippers in the body"

    def begin(self) -> None:
        """The head."""
        self.transport.write(self.attackers.head(100_000))
        self.drip(b" " * 1000)


class Stalled(Attacker):
    """Asks for much and reads nothing; whether the gateway still holds the connection, it alone knows."""

    kind = "stalled"
    buffer = SMALL_BUFFER

    def begin(self) -> None:
        """Ask."""
        self.transport.pause_reading()
        call = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": self.attackers.large, "arguments": {}}}
        for number in range(LARGE_ANSWERS):
            body = json.dumps({**call, "id": f"{self.record[0]}-{number}"}).encode()
            self.transport.write(self.attackers.head(len(body)) + body)


class Resetter(Attacker):
    """Resets in the middle of a body."""

    kind = "resetters"

    def begin(self) -> None:
        """Send half of it."""
        self.transport.write(self.attackers.head(1000) + b" " * 500)
        self.loop.call_later(0.5, self.reset)

    def reset(self) -> None:
        """Close without taking leave."""
        if not self.transport.is_closing():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class Idle(Attacker):
    """One request, and then nothing."""

    kind = "idle"

    def begin(self) -> None:
        """Send it."""
        body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
        self.transport.write(self.attackers.head(len(body)) + body)


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("session")
    parser.add_argument("large")
    kinds = ("drippers", "stalled", "resetters", "idle")
    for kind in kinds:
        parser.add_argument(f"--{kind}", type=int, default=0)
    told = parser.parse_args()
    attackers = Attackers(told.url, told.session, told.large)
    gc.freeze()
    yield_the_processor()
    asyncio.run(attackers.run({kind: getattr(told, kind) for kind in kinds}))
    print(json.dumps({"connections": attackers.seen, "answers": attackers.answers}))


if __name__ == "__main__":
    main()
