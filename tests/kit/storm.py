"""A whole gateway in bad weather, as a scenario to be played: HTTP in front, three wild backends behind, and clients that come and go."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
import trio
from tests.kit.doors import Cut, RawDoor, Response
from tests.kit.ledger import Asked, Ledger
from tests.kit.stdio_client import CANCEL, READY, hello
from tests.kit.wild import WildBackend
from tests.kit.wild_site import WildSite

from sluicegate.config.model import BackendConfig, Config, ProxyConfig, RestartSettings, TimeoutSettings
from sluicegate.gateway.faulting import FaultKit
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.testing.playing import Play
from sluicegate.testing.scripted_program import program_of

__all__ = ["storm"]

BACKENDS = ("frames", "lines", "site")
"""Plain frames in memory, a child process on its pipes, and HTTP on bad wires."""
LONGEST_CALL = 8.0


@attrs.define(eq=False)
class _Client:
    """Opens sessions, calls, loses patience, cancels, and notes what it hears."""

    play: Play
    ledger: Ledger
    name: str
    door: RawDoor
    ends_at: float
    chance: random.Random
    headers: dict[str, str] = attrs.field(factory=dict)

    async def run(self) -> None:
        while trio.current_time() < self.ends_at:
            with suppress(Cut):
                await self._live_a_session()
            await trio.sleep(self.chance.uniform(0, 1))
        await self.door.aclose()

    async def _live_a_session(self) -> None:
        self.headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        async with self.door.request("POST", self.headers, hello(self.chance)) as response:
            self.play.note(self.name, "opens", response.status, await response.read_all())
            self.headers["Mcp-Session-Id"] = response.headers["mcp-session-id"]
        await self._say(READY)
        async with trio.open_nursery() as nursery:
            for _ in range(self.chance.randint(1, 12)):
                nursery.start_soon(self._call)
                await trio.sleep(self.chance.choice((0, 0.05, self.chance.uniform(0, 2))))
        async with self.door.request("DELETE", self.headers, b"") as response:
            self.play.note(self.name, "leaves", response.status, await response.read_all())

    async def _say(self, body: bytes) -> int:
        async with self.door.request("POST", self.headers, body) as response:
            await response.read_all()
            return response.status

    async def _call(self) -> None:
        asked = self.ledger.ask(self.name, self.chance.choice(BACKENDS))
        mood, moment = self.chance.random(), self.chance.uniform(0, 4)
        self.play.note(self.name, "asks", asked.mark, "of", asked.target)
        async with trio.open_nursery() as nursery:
            if mood < 0.15:
                nursery.start_soon(self._cancel, asked, moment)
            asked.scope.deadline = trio.current_time() + moment if mood > 0.85 else float("inf")
            with asked.scope, suppress(Cut):
                await self._send(asked)
            nursery.cancel_scope.cancel()
        if asked.scope.cancelled_caught:
            asked.left_at = trio.current_time()
            self.play.note(self.name, "lets go of", asked.mark)
        else:
            self.ledger.check(asked.replies, asked.mark, "got no reply:", asked.outcome)

    async def _cancel(self, asked: Asked, moment: float) -> None:
        await trio.sleep(moment)
        with suppress(Cut):
            if await self._say(CANCEL % asked.id) == 202 and trio.current_time() > asked.at:
                asked.cancelled_at = trio.current_time()

    async def _send(self, asked: Asked) -> None:
        async with self.door.request("POST", self.headers, asked.message()) as response:
            asked.outcome = str(response.status)
            if response.headers["content-type"] == "application/json":
                self._hear(asked, await response.read_all())
            else:
                await self._hear_events(asked, response)

    async def _hear_events(self, asked: Asked, response: Response) -> None:
        parser = EventParser(1 << 20)
        while part := await response.read():
            for event in parser.feed(part):
                if isinstance(event, Event) and event.data:
                    self._hear(asked, event.data)

    def _hear(self, asked: Asked, data: bytes) -> None:
        self.play.note(self.name, "hears of", asked.mark, data)
        self.ledger.hear(asked, data)


async def storm(
    play: Play, *, seconds: float = 30.0, clients: int = 4, policies: Mapping[str, Any] | None = None, faults: FaultKit | None = None
) -> list[str]:
    """What was wrong, which should be nothing: every call that its client waits for has one reply, its own, in time.

    Args:
        play: its chance and its outside world.
        seconds: after which no session begins.
        clients: how many there are.
        policies: keys of a ``[[backends]]`` table, for every backend.
        faults: what goes wrong besides.
    """
    players = {name: WildBackend(name, play.chance(name), ["echo", "more"]) for name in BACKENDS}
    site = WildSite(players["site"], play.chance("weather"))
    play.world.processes.add("lines", program_of(players["lines"]))
    ledger = Ledger(play.chance("ledger"), {name: {name} for name in BACKENDS}, dict.fromkeys(BACKENDS, LONGEST_CALL))
    servers = {"frames": players["frames"].connector, "site": site.connector}
    async with trio.open_nursery() as ground:
        ground.start_soon(site.run)
        async with open_gateway(
            _config(policies or {}),
            servers=servers,
            sources=play.sources,
            outside=play.world.outside,
            access_log=_noted(play),
            faults=faults,
        ) as gateway:
            gateway._endpoint.directory.subscribe(lambda change: play.note("changed:", *sorted(change.methods)))
            await _let_loose(play, gateway, ledger, seconds, clients)
        ground.cancel_scope.cancel()
    return ledger.wrong


def _config(policies: Mapping[str, Any]) -> Config:
    timeout, restart = TimeoutSettings(LONGEST_CALL, 3.0), RestartSettings(0.1, 2.0, 1000, 60.0)
    plain = BackendConfig("frames", "inprocess", timeout=timeout, restart=restart, connect_timeout_seconds=2.0, **policies)
    backends = (plain, attrs.evolve(plain, name="lines", transport="stdio", command="lines"), attrs.evolve(plain, name="site"))
    return Config(ProxyConfig("storm", shutdown_timeout_seconds=5.0), backends)


def _noted(play: Play) -> Callable[[bytes], Awaitable[None]]:
    async def write(lines: bytes) -> None:
        for line in lines.splitlines():
            play.note("log:", line)
        await trio.lowlevel.checkpoint()

    return write


async def _let_loose(play: Play, gateway: Gateway, ledger: Ledger, seconds: float, clients: int) -> None:
    async with trio.open_nursery() as serving:
        await serving.start(gateway.serve)
        await gateway.settled()
        ends_at = trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for number in range(clients):
                name = f"c{number}"
                door = RawDoor(play.world.network)
                nursery.start_soon(_Client(play, ledger, name, door, ends_at, play.chance(name)).run)
        for backend in gateway.backends.values():
            play.note(backend.name, "is", backend.state.value, backend.error)
        serving.cancel_scope.cancel()
