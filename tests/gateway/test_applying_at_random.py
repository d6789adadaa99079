"""Whatever is asked of a gateway while calls are under way: every call has one reply, what fails changes nothing, and nothing is left.

A failing seed lives again with ``SLUICEGATE_SEEDS=7 pytest tests/gateway/test_applying_at_random.py``, or ``=100:1000`` for many.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate import BackendConfig, BackendFailed, ConfigError, Gateway, Sources, open_gateway
from sluicegate.config.model import Config, ProxyConfig, RestartSettings, TimeoutSettings
from sluicegate.gateway.differences import Change, differences
from sluicegate.policies import settings
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.determinism import deterministic
from sluicegate.testing.line_client import LineClient, open_line_client
from sluicegate.testing.script import Delay, Echo, Note, Reset, RpcError, Step, ToolFails

SEEDS, CHUNKS, CHANGES = 40, 4, 25
"""A thousand changes in all."""
NAMES = "abcdef"
LONGEST = 8.0
"""Seconds that a call may take."""
OPTIONS: dict[str, tuple[Any, ...]] = {
    "retry": (None, settings.RetrySettings(max_retries=1, only="all"), settings.RetrySettings(only="all", budget_percent=20.0)),
    "hedging": (None, settings.HedgeSettings(delay_ms=300, only="all")),
    "circuit_breaker": (None, settings.BreakerSettings(minimum_calls=2), settings.BreakerSettings(minimum_calls=9)),
    "outlier_detection": (None, settings.OutlierSettings(consecutive_errors=2), settings.OutlierSettings(consecutive_errors=3)),
    "rate_limit": (None, settings.RateLimitSettings(5, max_wait_seconds=2.0), settings.RateLimitSettings(50)),
    "concurrency": (None, settings.ConcurrencySettings(1), settings.ConcurrencySettings(3, max_queue=2)),
    "timeout": (TimeoutSettings(LONGEST), TimeoutSettings(LONGEST, 2.0)),
    "progress": ("auto", "off"),
    "hide_tools": ((), ("t",), ("u",)),
    "namespace": (None, "n0", "n1"),
    "restart": (RestartSettings(0.1), RestartSettings(0.5, 2.0)),
    "connect_timeout_seconds": (2.0, 3.0),
    "health": (None, settings.HealthSettings(1.0)),
    "fidelity": ("mended", "strict"),
    "failover_for": (None, *NAMES[:3]),
    "canary_of": (None, *NAMES[:3]),
    "weight": (10, 60),
    "mirror_of": (None, *NAMES[:3]),
    "mirror_percent": (0, 50, 100),
    "required": (False, True),
    "enabled": (True, True, True, False),
}
"""What a setting may be. Much of that makes no sense together, and then it must change nothing."""
STEPS: tuple[Step, ...] = (
    Echo(),
    Echo(),
    Delay(0.4),
    Delay(3),
    RpcError(-32603),
    ToolFails("no"),
    Note(0.3, Delay(1)),
    Delay(0.2, Reset()),
)


def named(name: str, **more: Any) -> BackendConfig:
    return BackendConfig(name, "inprocess", timeout=TimeoutSettings(LONGEST), **more)


@attrs.define(eq=False)
class Life:
    """One gateway, what it was told, and what has come of it."""

    chance: random.Random
    gateway: Gateway
    players: list[ScriptedBackend]
    client: LineClient
    asked: int = 0
    over: bool = False
    known: list[object] = attrs.field(factory=list, repr=False)
    """What was looked at; as long as it is there, nothing else has its identity."""
    replies: Counter[int] = attrs.field(factory=Counter)
    outcomes: Counter[str] = attrs.field(factory=Counter)

    # -- calls

    async def call(self) -> None:
        """Call what there is, and what there may have been, at any time."""
        while not self.over:
            names = [*self.gateway.catalogue.names(TOOLS), "a_t", "n0_u"]
            for _ in range(self.chance.randint(1, 4)):
                self.asked += 1
                params = {"name": self.chance.choice(names), "arguments": {}}
                await self.client.send({"jsonrpc": "2.0", "id": self.asked, "method": "tools/call", "params": params})
            await trio.sleep(self.chance.choice((0.02, 0.1, 0.4)))

    async def read(self) -> None:
        while True:
            message = await self.client.next()
            if isinstance(message.get("id"), int):
                self.replies[message["id"]] += 1
                assert message.get("error", {}).get("data", {}).get("reason") != "bug", message

    # -- changes

    def draw(self) -> tuple[list[BackendConfig], dict[str, object]]:
        """A list that somebody might want, and what is brought for it."""
        chance, sources = self.chance, dict[str, object]()
        wanted = {one.name: one for one in self.gateway.config.backends}
        for _ in range(chance.choice((1, 1, 2, 4))):
            name = chance.choice(NAMES)
            what = chance.random()
            if name not in wanted:
                wanted[name], sources[name] = named(name), self.player().connector
            elif what < 0.1:
                del wanted[name]
            elif what < 0.2:
                sources[name] = self.player().connector
            elif what < 0.24:
                sources[name] = object()
            else:
                key = chance.choice(list(OPTIONS))
                wanted[name] = attrs.evolve(wanted[name], **{key: chance.choice(OPTIONS[key])})
        backends = list(wanted.values())
        if chance.random() < 0.2:
            chance.shuffle(backends)
        return backends, sources

    def player(self) -> ScriptedBackend:
        """Another server."""
        player = ScriptedBackend(*self.chance.choices(STEPS, k=20), tools=["t", "u"])
        player.refuse, player.mute = self.chance.choice(("", "", "", "nobody home")), self.chance.random() < 0.1
        self.players.append(player)
        return player

    async def change(self) -> None:
        kind = self.chance.random()
        if kind < 0.25:
            await self.one(self.chance.choice((0, 0.2, 1, self.chance.uniform(0, 3))))
        elif kind < 0.4:
            await self.two()
        elif kind < 0.5:
            await self.trouble()
        else:
            await self.one(float("inf"))

    async def one(self, patience: float) -> None:
        """One change, perhaps cut; either it is there, with all that had to stay, or nothing is."""
        wanted, sources = self.draw()
        before, was = self.snapshot(), dict(self.members())
        outcome = "cut"
        with trio.move_on_after(patience):
            outcome = await self.apply(wanted, sources)
        self.outcomes[outcome] += 1
        if outcome == "applied" or (outcome == "cut" and self.snapshot() != before):
            self.check_whole(wanted)
            self.check_stays(was, sources)
        else:
            assert self.snapshot() == before, outcome

    async def two(self) -> None:
        """Two at once: who asked last has the last word."""
        asked, outcomes, before = [self.draw(), self.draw()], ["", ""], list(self.gateway.config.backends)

        async def apply(number: int) -> None:
            outcomes[number] = await self.apply(*asked[number])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(apply, 0)
            await trio.sleep(0.001)
            nursery.start_soon(apply, 1)
        made = [wanted for (wanted, _), outcome in zip(asked, outcomes, strict=True) if outcome == "applied"]
        self.check_whole([before, *made][-1])

    async def apply(self, wanted: list[BackendConfig], sources: dict[str, object]) -> str:
        try:
            await self.gateway.apply(wanted, sources=sources, strict=self.chance.random() < 0.3)
        except (ConfigError, BackendFailed, TypeError) as error:
            return type(error).__name__
        return "applied"

    async def trouble(self) -> None:
        """A server is lost, or comes to its senses."""
        player = self.chance.choice(self.players)
        player.refuse, player.mute = "", False
        player.crash()
        await trio.sleep(self.chance.uniform(0, 2))

    # -- what must be true

    def members(self) -> dict[str, tuple[BackendConfig, int, int]]:
        """Of each the settings, and which objects it is; what these are made of would fill pages where they differ."""
        members = self.gateway._fleet._members
        self.known += [part for one in members.values() for part in (one, one.backend, one.policies)]
        return {name: (one.config, id(one.backend), id(one.policies)) for name, one in members.items()}

    def snapshot(self) -> object:
        """All that a change could change."""
        fleet = self.gateway._fleet
        groups = {primary: (id(group), sorted(group._members)) for primary, group in fleet._groups.items()}
        chains = {name: id(member) for name, member in fleet._members.items()}
        return self.gateway.config, self.members(), groups, chains

    def check_whole(self, wanted: Sequence[BackendConfig]) -> None:
        assert self.gateway.config.backends == tuple(wanted)
        assert self.gateway._fleet.configs == [one for one in wanted if one.enabled]
        groups = self.gateway._fleet._groups
        for name, policies in self.gateway.policies.items():
            own = self.gateway._fleet._members[name].group
            assert policies.outlier is None or id(groups[own]._members[name]) == id(policies.outlier)
        assert set(groups) == {member.group for member in self.gateway._fleet._members.values()}
        assert sum(len(group._members) for group in groups.values()) == sum(
            one.outlier is not None for one in self.gateway.policies.values()
        )

    def check_stays(self, was: dict[str, tuple[BackendConfig, int, int]], sources: dict[str, object]) -> None:
        for name, (config, backend, policies) in self.members().items():
            if name not in was:
                continue
            changes = differences(was[name][0], config)
            assert (backend == was[name][1]) == (Change.LINK not in changes and name not in sources), (name, changes)
            assert Change.POLICIES in changes or backend != was[name][1] or policies == was[name][2], (name, changes)

    async def check_the_rest(self) -> None:
        """When all is quiet, there is what is configured and nothing else."""
        await trio.sleep(3 * LONGEST)
        assert self.replies == Counter(range(1, self.asked + 1))
        backends = self.gateway.backends
        assert len(self.gateway._nurseries.backends.child_tasks) == len(backends)
        assert len(self.gateway._nurseries.background.child_tasks) == 1, "the timer of the hedges"
        assert not self.gateway._nurseries.calls.child_tasks
        assert sum(len(player.sessions) for player in self.players) <= len(backends) + sum(player.mute for player in self.players)
        for name, policies in self.gateway.policies.items():
            assert backends[name].in_flight == 0
            assert not policies.holds_calls
            assert policies.hedge is None or policies.hedge.running == 0


async def live(seed: int, outcomes: Counter[str]) -> None:
    chance, players = random.Random(seed), list[ScriptedBackend]()
    proxy = ProxyConfig("x", shutdown_timeout_seconds=4.0, startup_wait_seconds=1.0)
    async with (
        open_gateway(Config(proxy), sources=Sources.seeded(seed)) as gateway,
        trio.open_nursery() as nursery,
        open_line_client(gateway.serve_stdio, nursery) as client,
    ):
        life = Life(chance, gateway, players, client, outcomes=outcomes)
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        await client.send({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello})
        await client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        nursery.start_soon(until_the_end, life.read)
        async with trio.open_nursery() as calls:
            calls.start_soon(life.call)
            first = [named("a"), named("b", failover_for="a"), named("c")]
            await gateway.apply(first, sources={one.name: life.player().connector for one in first})
            for _ in range(CHANGES):
                await life.change()
            life.over = True
        await life.check_the_rest()
    assert not any(player.sessions for player in players)


async def until_the_end(read: Callable[[], Any]) -> None:
    with suppress(EOFError):
        await read()


def seeds(chunk: int) -> Sequence[int]:
    first, _, end = os.environ.get("SLUICEGATE_SEEDS", f"0:{SEEDS}").partition(":")
    return range(int(first), int(end or int(first) + 1))[chunk::CHUNKS]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_call_has_one_reply_whatever_is_changed_and_what_fails_changes_nothing(chunk: int, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = Counter[str]()
    for seed in seeds(chunk):
        caplog.clear()
        try:
            with deterministic(seed):
                trio.run(partial(live, seed, outcomes), clock=trio.testing.MockClock(autojump_threshold=0))
            bugs = [record for record in caplog.records if record.levelno >= logging.ERROR]
            assert not bugs, [(record.getMessage(), record.exc_info) for record in bugs]
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    if "SLUICEGATE_SEEDS" not in os.environ:
        assert outcomes.keys() >= {"applied", "cut", "ConfigError", "BackendFailed", "TypeError"}, outcomes
