"""A random world, drawn from a seed: backends that stand in for each other, with policies, and all that goes wrong until a certain moment."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal

import attrs
from tests.properties.policies import POLICIES, draw_policies
from tests.properties.troubles import Trouble, draw_rules, draw_troubles

from sluicegate.config.model import BackendConfig, Config, ProxyConfig, RestartSettings, TimeoutSettings
from sluicegate.policies.settings import RateLimitSettings
from sluicegate.testing.injections.kinds import Transport
from sluicegate.testing.script import Rule, Script

__all__ = ["STORM_ENDS", "Part", "World", "draw"]

STORM_ENDS = 10.0
"""Seconds after the beginning, when the last fault ends."""
FAR = 9000
"""The first port of those that are reached over HTTP."""
_TRANSPORT: Mapping[Transport, Literal["inprocess", "stdio", "http"]] = {
    Transport.FRAMES: "inprocess",
    Transport.CHILD: "stdio",
    Transport.HTTP: "http",
}


@attrs.frozen
class Part:
    """One backend, and how it plays."""

    config: BackendConfig
    transport: Transport
    safe: bool
    """Whether its tool says that it does no harm."""
    latency: float
    """The longest that it takes when nothing is wrong."""
    alike: bool = False
    """Whether all attempts of a call take as long and get the same answer, in whichever order they come."""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def path(self) -> str:
        """The primary under whose name it answers, or whose calls it is shown."""
        return self.config.stands_for or self.config.mirror_of or self.config.name

    def __str__(self) -> str:
        config = self.config
        role = next((f" {key}={given}" for key in ("failover_for", "canary_of", "mirror_of") if (given := getattr(config, key))), "")
        share = f" {config.weight} %" if config.canary_of else f" {config.mirror_percent} %" if config.mirror_of else ""
        tables = "".join(f"\n    {table}: {_short(given)}" for table in POLICIES if (given := getattr(config, table)) is not None)
        return f"  {config.name} ({self.transport.name}{', safe' if self.safe else ''}){role}{share} {_short(config.timeout)}{tables}"


def _short(table: Any) -> str:
    return ", ".join(f"{key}={given}" for key, given in attrs.asdict(table).items())


@attrs.frozen
class World:
    """What there is, and what will go wrong."""

    seed: int
    parts: tuple[Part, ...]
    rules: tuple[Rule, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    limit: RateLimitSettings | None = None
    clients: tuple[str, ...] = ()
    """The way in of each."""

    @property
    def script(self) -> Script:
        return Script(self.rules, self.seed)

    @property
    def config(self) -> Config:
        return Config(ProxyConfig("world", shutdown_timeout_seconds=2.0, rate_limit=self.limit), tuple(part.config for part in self.parts))

    @property
    def primaries(self) -> list[Part]:
        return [part for part in self.parts if part.path == part.name]

    def group(self, path: str) -> list[Part]:
        """Those that answer under one name."""
        return [part for part in self.parts if part.path == path and part.config.mirror_of is None]

    def __getitem__(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def __str__(self) -> str:
        faults = [f"  {rule.backend or 'all'}: {rule.fault}{_when(rule)}" for rule in self.rules]
        troubles = [f"  {trouble}" for trouble in self.troubles]
        limit = [] if self.limit is None else [f"  limit of all: {_short(self.limit)}"]
        return "\n".join([f"world {self.seed}, clients: {', '.join(self.clients)}", *map(str, self.parts), *limit, *faults, *troubles])


def _when(rule: Rule) -> str:
    return f" {rule.percent:g} %" if rule.percent is not None else f" from {rule.first} to {rule.last}"


def draw(seed: int) -> World:
    """Everything may be in it."""
    chance = random.Random(f"{seed}:world")
    roles = ["p", *(chance.choice("ppsssccm") for _ in range(chance.randint(1, 5)))]
    parts: list[Part] = []
    for number, role in enumerate(roles):
        of = chance.choice([part.name for part in parts if part.name[0] == "p"] or [""])
        parts.append(draw_part(chance, f"{role}{number}", of, parts, density=chance.choice((0.3, 0.6, 0.9))))
    kinds = chance.choices(("http", "stdio", "own"), k=chance.randint(2, 3))
    limit = RateLimitSettings(chance.choice((40, 100)), 1.0, None, chance.choice((0.0, 0.1, 1.0))) if chance.random() < 0.3 else None
    names = [part.name for part in parts]
    return World(seed, tuple(parts), draw_rules(chance, names), draw_troubles(chance, names, STORM_ENDS), limit, tuple(kinds))


def draw_part(chance: random.Random, name: str, of: str, others: list[Part], density: float, transport: Transport | None = None) -> Part:
    """A backend in the role that its name begins with."""
    if transport is None:
        transport = chance.choice((Transport.FRAMES, Transport.FRAMES, Transport.CHILD, Transport.HTTP))
    timeout = TimeoutSettings(chance.choice((2.0, 4.0, 6.0)), chance.choice((None, 0.7, 1.5)))
    restart = RestartSettings(chance.choice((0.1, 0.5)), chance.choice((1.0, 3.0)), chance.randint(2, 6), chance.choice((5.0, 20.0)))
    given = draw_policies(chance, density, has_budget=name[0] == "p")
    if name[0] == "s":
        given |= {"failover_for": of, "priority": chance.randint(0, 2)}
    elif name[0] == "c":
        given |= {"canary_of": of, "weight": chance.randint(1, 20), "canary_sticky": chance.random() < 0.2}
    elif name[0] == "m":
        given |= {"mirror_of": of, "mirror_percent": chance.choice((100, 50, chance.randint(0, 100))), "mirror_hidden": True}
    if transport is Transport.CHILD:
        given["command"] = name
    elif transport is Transport.HTTP:
        given["url"] = f"http://127.0.0.1:{FAR + len(others)}/mcp"
    config = BackendConfig(
        name, _TRANSPORT[transport], timeout=timeout, restart=restart, connect_timeout_seconds=chance.choice((1.0, 2.0)), **given
    )
    return Part(config, transport, chance.random() < 0.5, chance.choice((0.0, 0.1, 0.4)))
