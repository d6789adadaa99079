"""A client on a pair of streams that does what it likes, and what any client in memory says to a gateway."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import attrs
import trio
from tests.kit.ledger import Asked, Ledger
from tests.kit.messages import READY

from sluicegate.protocol.eras import LEGACY
from sluicegate.protocol.messages import decode_object, encode
from sluicegate.testing.line_client import LineClient, Serve, open_line_client

__all__ = ["CANCEL", "LOOK", "READY", "StdioClient", "hello", "listed"]

LOOK = b'{"jsonrpc":"2.0","id":"look-%d","method":"tools/list"}'
CANCEL = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%b}}'


def hello(chance: random.Random) -> bytes:
    """An ``initialize`` of any version."""
    params = {"protocolVersion": chance.choice(LEGACY), "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    return b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":%b}' % encode(params)


def listed(reply: bytes) -> list[str]:
    """The names in the answer to `LOOK`."""
    return [tool["name"] for tool in json.loads(reply)["result"]["tools"]]


@attrs.define(eq=False)
class StdioClient:
    """One client on a pair of streams, which may end its input at any moment."""

    life: Ledger
    name: str
    chance: random.Random
    targets: Callable[[], Sequence[str]]
    """What there is to be called."""
    names: list[str] = attrs.field(factory=list)
    is_watching: bool = False
    _asked: dict[bytes, Asked] = attrs.field(factory=dict)
    _writing: trio.Lock = attrs.field(factory=trio.Lock)
    _lines: LineClient = attrs.field(init=False)

    async def run(self, serve: Serve) -> None:
        """Live; every call must have had its answer then."""
        async with trio.open_nursery() as nursery, open_line_client(serve, nursery) as self._lines:
            nursery.start_soon(self._read)
            with suppress(trio.BrokenResourceError):
                await self._write()
            self.is_watching = False
        for asked in self._asked.values():
            sent_too_late = asked.at >= self.life.ending
            self.life.check(asked.replies or asked.cancelled_at < float("inf") or sent_too_late, asked.mark, "got no reply")

    async def _write(self) -> None:
        await self._say(hello(self.chance))
        await self._say(READY)
        await self._say(LOOK % 0)
        self.is_watching = True
        for _ in range(self.chance.randint(5, 60)):
            asked = self.life.ask(self.name, self.chance.choice(self.targets()))
            self._asked[asked.id] = asked
            await self._say(asked.message())
            await trio.sleep(self.chance.choice((0, 0.05, self.chance.uniform(0, 2))))
            if self.chance.random() < 0.3:
                asked = self.chance.choice(list(self._asked.values()))
                asked.cancelled_at = min(asked.cancelled_at, trio.current_time())
                await self._say(CANCEL % asked.id)

    async def _say(self, line: bytes) -> None:
        async with self._writing:
            await self._lines.send(line)

    async def _read(self) -> None:
        with suppress(EOFError):
            while True:
                await self._hear(await self._lines.line())

    async def _hear(self, line: bytes) -> None:
        message = decode_object(line)
        assert isinstance(message, dict), line
        about = bytes(message.get("id", b""))
        if about in self._asked:
            self.life.hear(self._asked[about], line)
        elif about.startswith(b'"look') and b'"tools":' in line:
            self.names = listed(line)
        elif b"list_changed" in line:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._say(LOOK % self.chance.getrandbits(40))
