"""The clients of a random world: over HTTP, over a pair of streams, and the program itself. They call, change their minds, and go away."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import attrs
import trio
from tests.kit.doors import Cut, RawDoor
from tests.kit.ledger import Asked, Ledger
from tests.kit.stdio_client import CANCEL, READY, hello

from sluicegate.gateway.opening import Gateway
from sluicegate.protocol.messages import decode_object
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.testing.line_client import LineClient, open_line_client
from sluicegate.testing.playing import Play

__all__ = ["Client", "Register", "ask_by_program"]


@attrs.define(eq=False)
class Register(Ledger):
    """What was asked, and when it was answered."""

    play: Play = attrs.field(kw_only=True)
    heard_at: dict[str, float] = attrs.field(factory=dict)

    def hear(self, asked: Asked, data: bytes) -> None:
        """One message on the stream of a call."""
        self.play.note("heard of", asked.mark, data)
        self.heard_at.setdefault(asked.mark, trio.current_time())
        super().hear(asked, data)


class _Way(Protocol):
    """How a client reaches the gateway."""

    async def send(self, asked: Asked) -> None: ...

    async def cancel(self, asked: Asked) -> bool: ...


@attrs.define(eq=False)
class Client:
    """Asks until a certain moment, and waits for what comes of it."""

    register: Register
    gateway: Gateway
    name: str
    chance: random.Random
    targets: Sequence[str]
    ends_at: float

    async def run(self, kind: str) -> None:
        """Live, over one of the ways in."""
        await trio.sleep(self.chance.uniform(0, 1))
        if kind == "own":
            await self._ask(_ByProgram(self))
        elif kind == "http":
            way = await _OverHttp.open(self)
            await self._ask(way)
            await way.door.aclose()
        else:
            async with trio.open_nursery() as nursery, open_line_client(self.gateway.serve_stdio, nursery) as lines:
                streams = await _OnStreams.open(self, lines)
                nursery.start_soon(streams.read)
                await self._ask(streams)

    async def _ask(self, way: _Way) -> None:
        pause = self.chance.choice((0.3, 0.6, 1.2))
        async with trio.open_nursery() as nursery:
            while trio.current_time() < self.ends_at:
                nursery.start_soon(self._call, way)
                await trio.sleep(self.chance.choice((0.0, 0.01, pause, self.chance.uniform(0, 2 * pause))))

    async def _call(self, way: _Way) -> None:
        asked = self.register.ask(self.name, self.chance.choice(self.targets))
        mood, moment = self.chance.random(), self.chance.uniform(0, 3)
        self.register.play.note(self.name, "asks", asked.mark, "of", asked.target)
        async with trio.open_nursery() as nursery:
            if mood < 0.15:
                nursery.start_soon(self._cancel, way, asked, moment)
            asked.scope.deadline = trio.current_time() + moment if mood > 0.85 else float("inf")
            with asked.scope:
                await way.send(asked)
            nursery.cancel_scope.cancel()
        if asked.scope.cancelled_caught:
            asked.left_at = trio.current_time()
            self.register.play.note(self.name, "lets go of", asked.mark)

    async def _cancel(self, way: _Way, asked: Asked, moment: float) -> None:
        await trio.sleep(moment)
        self.register.play.note(self.name, "cancels", asked.mark)
        if await way.cancel(asked) and trio.current_time() > asked.at:
            asked.cancelled_at = trio.current_time()


@attrs.frozen(eq=False)
class _ByProgram:
    client: Client

    async def send(self, asked: Asked) -> None:
        await ask_by_program(self.client.register, self.client.gateway, asked)

    async def cancel(self, asked: Asked) -> bool:
        asked.scope.cancel()
        return False


async def ask_by_program(register: Register, gateway: Gateway, asked: Asked) -> bool:
    """Call, and say whether it went well."""
    reply = await gateway.call_tool(f"{asked.target}_echo", {"call": asked.mark})
    fault = reply.fault
    body = b'"result":%b' % bytes(reply.result) if fault is None else b'"error":%b' % fault.encode()
    register.hear(asked, b'{"jsonrpc":"2.0","id":%b,%b}' % (asked.id, body))
    return fault is None and b'"isError":true' not in body


@attrs.frozen(eq=False)
class _OverHttp:
    client: Client
    door: RawDoor
    headers: dict[str, str]

    @classmethod
    async def open(cls, client: Client) -> _OverHttp:
        way = cls(client, RawDoor(client.register.play.world.network), {})
        way.headers.update({"Accept": "application/json, text/event-stream", "Content-Type": "application/json"})
        async with way.door.request("POST", way.headers, hello(client.chance)) as response:
            await response.read_all()
            way.headers["Mcp-Session-Id"] = response.headers["mcp-session-id"]
        await way.say(READY)
        return way

    async def say(self, body: bytes) -> int:
        async with self.door.request("POST", self.headers, body) as response:
            await response.read_all()
            return response.status

    async def cancel(self, asked: Asked) -> bool:
        return await self.say(CANCEL % asked.id) == 202

    async def send(self, asked: Asked) -> None:
        try:
            async with self.door.request("POST", self.headers, asked.message()) as response:
                asked.outcome = str(response.status)
                parser = EventParser(1 << 20)
                if response.headers["content-type"] == "application/json":
                    self.client.register.hear(asked, await response.read_all())
                    return
                while part := await response.read():
                    for event in parser.feed(part):
                        if isinstance(event, Event) and event.data:
                            self.client.register.hear(asked, event.data)
        except Cut as cut:
            asked.outcome = repr(cut)


@attrs.define(eq=False)
class _OnStreams:
    client: Client
    lines: LineClient
    asked: dict[bytes, Asked] = attrs.field(factory=dict)
    waiting: dict[bytes, Callable[[], None]] = attrs.field(factory=dict)
    writing: trio.Lock = attrs.field(factory=trio.Lock)

    @classmethod
    async def open(cls, client: Client, lines: LineClient) -> _OnStreams:
        way = cls(client, lines)
        await way.say(hello(client.chance))
        await way.say(READY)
        return way

    async def say(self, line: bytes) -> None:
        with trio.CancelScope(shield=True):  # half a line would be nobody's fault but ours; in memory it takes no time
            async with self.writing:
                await self.lines.send(line)

    async def cancel(self, asked: Asked) -> bool:
        await self.say(CANCEL % asked.id)
        asked.scope.cancel()  # MCP lets the other side be silent then
        return True

    async def send(self, asked: Asked) -> None:
        answered = trio.Event()
        self.asked[asked.id], self.waiting[asked.id] = asked, answered.set
        await self.say(asked.message())
        await answered.wait()

    async def read(self) -> None:
        with suppress(EOFError):
            while True:
                line = await self.lines.line()
                message = decode_object(line)
                assert isinstance(message, dict), line
                about = bytes(message.get("id", b""))
                if about in self.asked:
                    self.client.register.hear(self.asked[about], line)
                    self.waiting[about]()
