"""Random lives of a whole gateway, each from one seed: wild backends, fickle clients and a restless operator, and what must hold all the same.

A failing seed lives its life again: ``SLUICEGATE_SEEDS=4711 pytest tests/flows/test_random_lives.py``, or ``=1000:2000`` for many.
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.asgi import AsgiTransport
from tests.kit.doors import AsgiDoor, Cut, Door, RawDoor, Response
from tests.kit.ledger import MARGIN, Asked, Ledger
from tests.kit.stdio_client import CANCEL, LOOK, READY, StdioClient, hello, listed
from tests.kit.wild import WildBackend, read_mark
from tests.kit.wild_site import WildSite

from sluicegate import ConfigError, Outside, Sources, open_gateway
from sluicegate.backends.session import Connector
from sluicegate.config.model import (
    BackendConfig,
    Config,
    ObservabilityConfig,
    ProxyConfig,
    RestartSettings,
    SecurityConfig,
    TimeoutSettings,
)
from sluicegate.gateway.opening import Gateway
from sluicegate.gateway.supervised import BackendFailed
from sluicegate.protocol.messages import Request
from sluicegate.protocol.offers import TOOLS
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.settings.audit_settings import AuditSettings
from sluicegate.testing.determinism import deterministic
from sluicegate.testing.memory_wire import MemoryNetwork

SEEDS, CHUNKS = 96, 8
OVER_HTTP = 0.4
"""How many backends are."""


@attrs.define(eq=False)
class Life(Ledger):
    """One gateway's life: what is in it, and what is known about it."""

    seed: int = attrs.field(kw_only=True)
    players: list[WildBackend] = attrs.field(factory=list)
    sites: dict[WildBackend, WildSite] = attrs.field(factory=dict)
    """Of those that are reached over HTTP."""
    ground: trio.Nursery | None = None
    """Where sites stand."""
    configs: dict[str, BackendConfig] = attrs.field(factory=dict)
    """By name, the newest."""
    shows: dict[str, set[str]] = attrs.field(factory=dict)
    """By mirror, the primaries whose calls it may have seen."""
    watchers: list[HttpWatcher | StdioClient] = attrs.field(factory=list)
    calm: bool = False
    cut: bool = False
    orphan_seconds: float = 0.0
    """How long an answer waits for its client to come back."""
    audit: list[bytes] = attrs.field(factory=list)
    """The records of all requests."""

    def draw_backend(self, name: str, role: Mapping[str, Any]) -> tuple[BackendConfig, WildBackend]:
        """A backend of that name with random settings, and who plays it."""
        chance = self.chance
        timeout = TimeoutSettings(chance.choice((1.0, 3.0, 10.0)), chance.choice((None, 0.5, 2.0)))
        restart = RestartSettings(chance.choice((0.1, 0.5)), chance.choice((1.0, 4.0)), chance.randint(2, 6), chance.choice((5.0, 20.0)))
        config = BackendConfig(name, "inprocess", timeout=timeout, connect_timeout_seconds=chance.choice((1.0, 3.0)), restart=restart)
        config = attrs.evolve(config, **role)
        player = WildBackend(name, random.Random(f"{self.seed}:{name}:{len(self.players)}"), ["echo", "more"])
        self.players.append(player)
        weather = random.Random(f"{self.seed}:{name}:{len(self.players)}:weather")
        if weather.random() < OVER_HTTP:
            site = self.sites[player] = WildSite(player, weather)
            if self.ground is not None:
                self.ground.start_soon(site.run)
        used_by = self.serves if config.mirror_of is None else self.shows
        used_by.setdefault(name, set()).add(config.failover_for or config.mirror_of or name)
        self.longest[name] = max(self.longest.get(name, 0.0), timeout.seconds)
        return config, player

    def connector_of(self, player: WildBackend) -> Connector:
        """What the gateway reaches it with."""
        return self.sites[player].connector if player in self.sites else player.connector

    def draw_role(self, name: str) -> Mapping[str, Any]:
        """What a backend is for: p is a primary, s stands in for one, m mirrors one."""
        of = self.chance.choice(self.primaries)
        if name[0] == "m":
            return {"mirror_of": of, "mirror_percent": self.chance.choice((30, 100)), "mirror_hidden": True}
        return {"failover_for": of, "priority": self.chance.randint(0, 2)} if name[0] == "s" else {}

    @property
    def primaries(self) -> list[str]:
        return [name for name in self.configs if name[0] == "p"] or ["p0"]


@attrs.define(eq=False)
class HttpClient:
    """Opens sessions, calls, changes its mind, goes away and comes back."""

    life: Life
    name: str
    door: Door
    chance: random.Random
    headers: dict[str, str] = attrs.field(factory=dict)
    ended_sessions: set[str] = attrs.field(factory=set)

    async def run(self) -> None:
        while not self.life.is_over:
            with suppress(Cut):
                if await self.open():
                    await self._live_a_session()
            await trio.sleep(self.chance.uniform(0, 1))

    async def open(self) -> bool:
        self.headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        status, headers, _body = await self.post(hello(self.chance))
        if status == 200:
            self.headers["Mcp-Session-Id"] = headers["mcp-session-id"]
            await self.post(READY)
        self.life.check(status == 200 or self.life.is_over, self.name, "could not initialize:", status)
        return status == 200

    async def _live_a_session(self) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(self.chance.randint(1, 25)):
                nursery.start_soon(self.chance.choice((self.call, self.call, self.call, self.listen, self.look)))
                await trio.sleep(self.chance.choice((0, 0.05, self.chance.uniform(0, 3))))
                if self.life.is_over:
                    break
            if self.chance.random() < 0.3:
                await self._end_session()

    async def _end_session(self) -> None:
        self.ended_sessions.add(self.headers["Mcp-Session-Id"])
        with suppress(Cut):
            async with self.door.request("DELETE", self.headers, b"") as response:
                self.life.check(response.status == 200 or self.life.is_over, self.name, "could not end its session:", response.status)

    async def post(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        async with self.door.request("POST", self.headers, body) as response:
            return response.status, response.headers, await response.read_all()

    def may_be_refused(self, status: int) -> bool:
        return (status == 503 and self.life.is_over) or (status == 404 and self.headers["Mcp-Session-Id"] in self.ended_sessions)

    async def look(self) -> None:
        with suppress(Cut):
            status, _headers, body = await self.post(LOOK % self.chance.getrandbits(40))
            answered = b'"tools":' in body or b"-32800" in body
            self.life.check(answered or self.may_be_refused(status), self.name, "got no list:", status, body)

    async def listen(self, last: str = "") -> str:
        """A GET stream, perhaps for a while only; the event to go on after."""
        patience = self.chance.uniform(0, 8)
        headers = self.headers | ({"Last-Event-ID": last} if last else {})
        with trio.move_on_after(float("inf") if self.life.calm else patience), suppress(Cut):
            async with self.door.request("GET", headers, b"") as response:
                self.life.check(response.status == 200 or self.may_be_refused(response.status), self.name, "GET got", response.status)
                if not last:
                    await self.heard()
                parser = EventParser(1 << 20, last)
                while response.status == 200 and (part := await response.read()):
                    for event in parser.feed(part):
                        if isinstance(event, Event) and event.data:
                            self.life.check(b"list_changed" in event.data, self.name, "heard", event.data)
                            await self.heard()
                    last = parser.last_id
        return last

    async def heard(self) -> None:
        """A GET stream has opened anew, or something came on it."""

    async def call(self) -> None:
        asked = self.life.ask(self.name, self.chance.choice((*self.life.primaries, *self.life.primaries, "nobody")))
        mood, moment = self.chance.random(), self.chance.choice((0, self.chance.uniform(0, 4)))
        async with trio.open_nursery() as nursery:
            if mood < 0.2:
                nursery.start_soon(self._cancel, asked, moment)
            asked.scope.deadline = trio.current_time() + moment if 0.2 < mood < 0.4 else float("inf")
            asked.leaves = mood < 0.7
            with asked.scope:
                await self._send(asked)
            nursery.cancel_scope.cancel()
        if asked.scope.cancelled_caught:
            asked.left_at = trio.current_time()
            while asked.last_event and not asked.replies and self.chance.random() < 0.7:
                await self._come_back(asked)
        else:
            self.life.check(asked.replies or asked.outcome, asked.mark, "got no reply")

    async def _cancel(self, asked: Asked, moment: float) -> None:
        await trio.sleep(moment)
        with suppress(Cut):
            status, _headers, _body = await self.post(CANCEL % asked.id)
            if status == 202 and trio.current_time() > asked.at:  # else it may have been there before the call
                asked.cancelled_at = trio.current_time()

    async def _send(self, asked: Asked) -> None:
        try:
            async with self.door.request("POST", self.headers, asked.message()) as response:
                if response.status != 200:
                    asked.outcome = str(response.status)
                    self.life.check(self.may_be_refused(response.status), asked.mark, "was refused:", response.status)
                elif response.headers["content-type"] == "application/json":
                    self.life.hear(asked, await response.read_all())
                else:
                    await self._hear_events(asked, response)
        except Cut as cut:
            asked.outcome = repr(cut)
            sent_too_late = isinstance(self.door, RawDoor) and asked.at >= self.life.ending
            self.life.check(sent_too_late or (self.life.is_over and self.life.cut), asked.mark, "was cut off:", cut)

    async def _hear_events(self, asked: Asked, response: Response) -> None:
        parser = EventParser(1 << 20, asked.last_event)
        while part := await response.read():
            for event in parser.feed(part):
                if isinstance(event, Event) and event.data:
                    self.life.hear(asked, event.data)
            asked.last_event = parser.last_id
            if asked.leaves:
                asked.scope.deadline = trio.current_time() + self.chance.uniform(0, 1)

    async def _come_back(self, asked: Asked) -> None:
        await trio.sleep(self.chance.uniform(0, 3))
        asked.leaves = self.chance.random() < 0.5
        asked.scope = trio.CancelScope(deadline=trio.current_time() + self.chance.choice((float("inf"), self.chance.uniform(0, 3))))
        with asked.scope, suppress(Cut):
            async with self.door.request("GET", self.headers | {"Last-Event-ID": asked.last_event}, b"") as response:
                if response.status == 200:
                    await self._hear_events(asked, response)
                is_late = trio.current_time() >= asked.left_at + self.life.orphan_seconds
                forgotten = self.may_be_refused(response.status) or (response.status == 400 and is_late)
                self.life.check(asked.replies or forgotten or self.life.is_over, asked.mark, "came back and got no reply", response.status)
        if asked.scope.cancelled_caught:
            asked.left_at = trio.current_time()
        else:
            asked.last_event = ""


@attrs.define(eq=False)
class HttpWatcher(HttpClient):
    """Reads the list again whenever it hears that it has changed; loses its stream now and then, but goes on where it was."""

    names: list[str] = attrs.field(factory=list)
    is_watching: bool = True

    async def run(self) -> None:
        with suppress(Cut):
            if await self.open():
                last = ""
                while not self.life.is_over:
                    last = await self.listen(last)
                    await trio.sleep(self.chance.choice((0, self.chance.uniform(0, 2))))

    async def heard(self) -> None:
        status, _headers, body = await self.post(LOOK % self.chance.getrandbits(40))
        if status == 200 and b'"tools":' in body:
            self.names = listed(body)


@attrs.define(eq=False)
class Operator:
    """Changes everything that can be changed, at any time."""

    life: Life
    gateway: Gateway
    chance: random.Random

    async def run(self, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                while not self.life.is_over:
                    nursery.start_soon(self._act, self.chance.choice((0.1, 3.0, 30.0)))
                    await trio.sleep(self.chance.uniform(0, 2))

    async def _act(self, patience: float) -> None:
        acts = (self._trouble, self._trouble, self._change_tools, self._change_tools, self._add, self._replace, self._remove)
        with trio.move_on_after(patience), suppress(ConfigError, BackendFailed):
            await self.chance.choice(acts)(self.chance.choice(self.life.players))

    async def _trouble(self, player: WildBackend) -> None:
        trouble = self.chance.choice(("mute", "refuse", "crash"))
        player.mute, player.refuse = trouble == "mute", "not now" if trouble == "refuse" else ""
        if trouble != "mute":
            player.crash()
        try:
            await trio.sleep(self.chance.uniform(0, 5))
        finally:
            player.mute, player.refuse = False, ""

    async def _change_tools(self, player: WildBackend) -> None:
        await trio.sleep(self.chance.uniform(0, 1))
        player.change_tools(self.chance.choice(("more", "other", "third")))

    async def _add(self, _player: WildBackend) -> None:
        name = self.chance.choice("psm") + str(self.chance.randint(0, 2))
        config, player = self.life.draw_backend(name, self.life.draw_role(name))
        await self.gateway.add_backend(config, self.life.connector_of(player))
        self.life.configs[name] = config

    async def _replace(self, _player: WildBackend) -> None:
        old = self.life.configs[self.chance.choice(list(self.life.configs))]
        role = {"failover_for": old.failover_for, "mirror_of": old.mirror_of, "mirror_hidden": old.mirror_hidden}
        config, player = self.life.draw_backend(old.name, role)
        await self.gateway.replace_backend(config, self.life.connector_of(player))

    async def _remove(self, _player: WildBackend) -> None:
        if len(self.life.configs) > 2:
            name = self.chance.choice(list(self.life.configs))
            await self.gateway.remove_backend(name)
            self.life.configs.pop(name, None)


def draw_life(seed: int) -> tuple[Life, Config]:
    life = Life(random.Random(seed), seed=seed)
    chance = life.chance
    for name in ("p0", *chance.sample(("p1", "s0", "s1", "m0", "m1"), chance.randint(1, 4))):
        life.configs[name] = life.draw_backend(name, life.draw_role(name))[0]
    life.orphan_seconds, life.cut, grace = chance.choice((1.0, 60.0)), chance.random() < 0.3, chance.choice((0.5, 3.0, 20.0))
    life.grace = 0 if life.cut else grace
    proxy = ProxyConfig("x", shutdown_timeout_seconds=grace, startup_wait_seconds=chance.choice((0.5, 5.0)))
    observability = ObservabilityConfig(audit=AuditSettings(arguments=True))
    security = SecurityConfig(orphan_seconds=life.orphan_seconds)
    return life, Config(proxy, tuple(life.configs.values()), security=security, observability=observability)


async def live(seed: int) -> None:
    """A life from birth to death, and all that must be true of it."""
    life, config = draw_life(seed)
    with trio.fail_after(3000):
        async with trio.open_nursery() as life.ground:
            for site in life.sites.values():
                life.ground.start_soon(site.run)
            gateway, transport = await live_through(life, config, random.Random(f"{seed}:life"))
            await trio.testing.wait_all_tasks_blocked()
            life.check(not any(site.open for site in life.sites.values()), "connections to backends are open")
            life.ground.cancel_scope.cancel()
    check_the_remains(life, gateway, transport)
    assert not life.wrong, "\n".join(life.wrong)


async def live_through(life: Life, config: Config, chance: random.Random) -> tuple[Gateway, AsgiTransport]:
    network = MemoryNetwork()
    servers = {player.name: life.connector_of(player) for player in life.players}
    async with trio.open_nursery() as world:
        with trio.CancelScope() as block:
            outside = Outside(listen=network.listen)
            async with open_gateway(
                config, servers=servers, sources=Sources.seeded(life.seed), outside=outside, audit_log=life.audit.append
            ) as gateway:
                await world.start(gateway.serve)
                transport = AsgiTransport(gateway.asgi_app, world)
                start_clients(life, gateway, world, network, transport)
                operator = trio.CancelScope()
                world.start_soon(Operator(life, gateway, random.Random(f"{life.seed}:operator")).run, operator)
                await trio.sleep(chance.uniform(0, 30))
                operator.cancel()
                await check_the_calm(life, gateway, HttpClient(life, "fresh", AsgiDoor(transport), chance))
                await trio.sleep(chance.uniform(0, 3))
                life.ending = trio.current_time()
                if life.cut:
                    block.cancel()
        life.check(trio.current_time() <= life.ending + life.grace + 4 + MARGIN, "the end took too long")
    return gateway, transport


def start_clients(life: Life, gateway: Gateway, nursery: trio.Nursery, network: MemoryNetwork, transport: AsgiTransport) -> None:
    for number in range(life.chance.randint(2, 5)):
        name, chance = f"c{number}", random.Random(f"{life.seed}:{number}")
        door = RawDoor(network) if chance.random() < 0.5 else AsgiDoor(transport)
        kind = chance.choice(("caller", "caller", "watcher", "stdio"))
        if kind == "stdio":
            life.watchers.append(client := StdioClient(life, name, chance, lambda: life.primaries))
            nursery.start_soon(client.run, gateway.serve_stdio)
        elif kind == "watcher":
            life.watchers.append(watcher := HttpWatcher(life, name, door, chance))
            nursery.start_soon(watcher.run)
        else:
            nursery.start_soon(HttpClient(life, name, door, chance).run)


async def check_the_calm(life: Life, gateway: Gateway, client: HttpClient) -> None:
    """When nobody does harm any more, everything works again, and everybody knows what there is."""
    life.calm = True
    for player in life.players:
        player.tame, player.mute, player.refuse = True, False, ""
        player.crash()  # whatever it is playing
    await trio.sleep(12)
    for name, backend in gateway.backends.items():
        life.check(backend.is_up, name, "did not come up again:", backend.state, backend.error)
    await client.open()
    for name in [name for name in gateway.backends if name[0] == "p"]:
        asked = life.ask("fresh", name)
        _status, _headers, body = await client.post(asked.message())
        life.hear(asked, body)
        life.check(f'"{name}|' in body.decode(), "after the storm", name, "says", body)
    names = list(gateway.catalogue.names(TOOLS))
    for watcher in life.watchers:
        life.check(not watcher.is_watching or watcher.names == names, watcher.name, "knows of", watcher.names, "not of", names)
    for player in life.players:
        player.tame = False
    life.calm = False


def check_the_remains(life: Life, gateway: Gateway, transport: AsgiTransport) -> None:
    """Nothing is left, and no backend saw what it must not see."""
    executed = Counter((mark, player.name) for player in life.players for mark in check_received(life, player))
    targets = {asked.mark: asked.target for asked in life.asked}
    for (mark, name), times in executed.items():
        life.check(times == 1, mark, "was executed", times, "times by", name)
        life.check(targets[mark] in (life.serves | life.shows)[name], mark, "went to", name)
    # what only a mirror got was not sent to the one whose call it is
    check_the_audit(life, frozenset(mark for mark, name in executed if targets[mark] in life.serves.get(name, ())))
    for name, backend in gateway.backends.items():
        life.check(backend.in_flight == 0, name, "has calls in flight")
    table = gateway._app.sessions
    life.check(not table.orphans, "there are orphans")
    for session in table._sessions.values():
        life.check(not (session.calls or session.downlinks or session.listeners or session.streams), "a session is busy", session)
    life.check(not any(player.sessions for player in life.players if player not in life.sites), "a backend has an open session")
    life.check(transport.open_answers == 0, "there are open answers")


def check_the_audit(life: Life, executed: frozenset[str]) -> None:
    """Each call that was taken has one record, which says what became of it; and no record is missing between any two (LOG-1)."""
    records = [json.loads(line) for line in life.audit]
    life.check([record["seq"] for record in records] == list(range(1, len(records) + 1)), "records are missing")
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        if record.get("method") == "tools/call":
            found.setdefault(record["arguments"]["call"], []).append(record)
    for asked in life.asked:
        of_it = found.pop(asked.mark, [])
        life.check(len(of_it) <= 1, asked.mark, "has records", of_it)
        must = asked.mark in executed or asked.replies
        life.check(of_it or not must, asked.mark, "has no record")
        for record in of_it:
            status, replies = record["status"], b"".join(asked.replies)
            life.check((status in {"success", "tool_error"}) == (b'"result"' in replies) or not replies, asked.mark, record, replies)
            life.check(status != "cancelled" or "by" in record, asked.mark, "was cancelled by nobody", record)
            life.check(asked.mark not in executed or record.get("sent") or status == "cancelled", asked.mark, "went nowhere", record)
    life.check(not found, "calls that nobody made", found)


def check_received(life: Life, player: WildBackend) -> list[str]:
    """The marks of the calls that a backend got; each cancellation must be of a call of its own conversation, once."""
    marks, open_calls = [], set[bytes]()
    for message in player.received:
        if message.method == "initialize":
            open_calls.clear()
        elif isinstance(message, Request):
            open_calls.add(bytes(message.id))
            marks += [read_mark(message.params)] if message.method == "tools/call" else []
        elif message.method == "notifications/cancelled":
            known = bytes(message.params["requestId"]) in open_calls
            life.check(known or player in life.sites, player.name, "heard of the end of", message)  # over HTTP it may overtake the call
            open_calls.discard(bytes(message.params["requestId"]))
    return marks


def seeds(chunk: int) -> Sequence[int]:
    first, _, end = os.environ.get("SLUICEGATE_SEEDS", f"0:{SEEDS}").partition(":")
    return range(int(first), int(end or int(first) + 1))[chunk::CHUNKS]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_happens_every_call_has_one_answer_and_nothing_is_left(chunk: int, caplog: pytest.LogCaptureFixture) -> None:
    for seed in seeds(chunk):
        caplog.clear()
        try:
            with deterministic(seed):
                trio.run(live, seed, clock=trio.testing.MockClock(autojump_threshold=0))
            bugs = [record for record in caplog.records if record.levelno >= logging.ERROR]
            assert not bugs, [(record.getMessage(), record.exc_info) for record in bugs]
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
