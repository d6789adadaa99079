"""Requests that hurt, for `floods`: ``python hurting_client.py KIND URL SESSION TOOL`` sends them until SIGTERM.

Then one JSON object goes to stdout: statuses and how often each came, and the longest answer in seconds. ``started`` on stderr says that the first is out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, cycle
from urllib.parse import urlsplit

import attrs
from yielding import yield_the_processor

PATIENCE = 20.0
MEMBERS = 340_000
MANY = ((6_800, 4), (500, 110))
"""Numbers and lengths of capabilities."""
SESSIONS = 300
LONG = 128 * 1024


@attrs.frozen
class Sending:
    """How a kind is sent: on so many connections, with a pause of so many seconds after each answer."""

    connections: int
    pause: float


SENDING = {
    "names": Sending(2, 0.05),
    "sessions": Sending(8, 0.02),
    "members": Sending(8, 0.5),
    "call": Sending(1, 0.2),
}


def bodies(kind: str, tool: str, amount: int) -> Iterator[bytes]:
    """The requests of a kind, without end."""
    if kind == "names":
        names = [json.dumps(name) for name in (f"{tool.partition('_')[0]}_{'a' * LONG}", "a" * LONG)]
        call = '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%s}}'
        return ((call % (number, names[number % 2])).encode() for number in count(1))
    if kind == "members":
        many = b",".join(b'"k%06d":1' % number for number in range(MEMBERS))
        call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"'
        within = b',"params":{"name":"x",%b:{' + many + b"}}}"
        everywhere = [b"," + many + b"}", b',"params":{' + many + b"}}", within % b'"_meta"', within % b'"arguments"']
        return cycle([call + rest for rest in everywhere])
    if kind == "sessions":
        return map(opening, count())
    named = {"name": tool, "arguments": {"count": amount}}
    return (json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": named}).encode() for number in count(1))


def opening(number: int) -> bytes:
    """An ``initialize``: some with very many capabilities, then one after the other without any."""
    capabilities: dict[str, object] = {}
    if number % 3 and number < SESSIONS:
        names, length = MANY[number % 3 - 1]
        capabilities = {f"{name:x}".ljust(length, "n"): {} for name in range(names)}
    hello = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": {"name": "bench", "version": "1"}}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}, separators=(",", ":")).encode()


@attrs.define(eq=False)
class Hurting:
    """One program's requests."""

    url: str
    session: str
    requests: Iterator[bytes]
    pause: float
    statuses: Counter[str] = attrs.field(factory=Counter)
    longest: float = 0.0
    stopping: bool = False

    async def keep_sending(self) -> None:
        """One request after the other, on a connection of its own."""
        while not self.stopping:
            began = time.monotonic()
            try:
                status = await asyncio.wait_for(self.send(next(self.requests)), PATIENCE)
            except (OSError, EOFError, TimeoutError) as error:
                status = type(error).__name__
            self.statuses[status] += 1
            self.longest = max(self.longest, time.monotonic() - began)
            await asyncio.sleep(self.pause)

    async def send(self, body: bytes) -> str:
        """Send a request on a new connection; the status of the answer, once all of that was read."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json", "connection: close"]
            lines += ["accept: application/json, text/event-stream", f"content-length: {len(body)}"]
            if b'"initialize"' not in body:
                lines += [f"mcp-session-id: {self.session}", "mcp-protocol-version: 2025-06-18"]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
            with suppress(ConnectionError):
                await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        found = re.search(rb'"message":"((?:[^"\\]|\\.){1,60})', answer)
        return f"{answer[9:12].decode('latin-1') or 'nothing'} {found[1].decode('latin-1') if found else ''}".strip()


async def run(told: argparse.Namespace) -> Hurting:
    """Send until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sending = SENDING[told.kind]
    hurting = Hurting(told.url, told.session, bodies(told.kind, told.tool, told.amount), sending.pause)
    tasks = [asyncio.create_task(hurting.keep_sending()) for _ in range(sending.connections)]
    print("started", file=sys.stderr, flush=True)
    await stop.wait()
    hurting.stopping = True
    for task in tasks:
        task.cancel()
    return hurting


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=SENDING)
    parser.add_argument("url")
    parser.add_argument("session")
    parser.add_argument("tool")
    parser.add_argument("--amount", type=int, default=0)
    told = parser.parse_args()
    gc.freeze()
    yield_the_processor()
    hurting = asyncio.run(run(told))
    print(json.dumps({"statuses": hurting.statuses, "longest answer": round(hurting.longest, 3)}))


if __name__ == "__main__":
    main()
