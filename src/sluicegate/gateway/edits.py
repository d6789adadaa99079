"""What somebody may want of the list of backends: to be another one, or to have one more, one less, or another in the place of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from ..backends.session import Connector
from ..config.model import BackendConfig, Config
from ..config.problem import ConfigError, Problem
from ..protocol.blot import Blot
from ..protocol.calls import Layer
from ..protocol.credential import Credential

__all__ = ["Edit", "Surroundings", "adding", "removing", "replacing", "whole"]

Backends = Sequence[BackendConfig]


@attrs.frozen(eq=False, repr=False)
class Surroundings:
    """What backends live in, where that is to be another, too."""

    config: Config
    """Its backends are not looked at."""
    connect: Callable[[BackendConfig, object], tuple[Connector, Credential | None]]
    """As in `Fleet`; so with the next."""
    blot_for: Callable[[BackendConfig], Blot]
    made: Callable[[], Callable[[], None]]
    """Called once all was checked: makes what follows from it, and gives what puts that in its place, in the moment in which all of it takes
    effect, and does not fail."""


@attrs.frozen(eq=False, repr=False)
class Edit:
    """A wish. What it comes to is found out when it is fulfilled, because others change the list, too."""

    of: Callable[[Backends], Backends]
    """From the list as it is to the list as it is to be; raises `ConfigError`."""
    sources: Mapping[str, object] = attrs.field(factory=dict)
    """What the program brings for backends, by name. For one that is not named here, what it brought before stays."""
    layers: Mapping[str, Sequence[Layer]] = attrs.field(factory=dict)
    """Its policies for them, by name, innermost first; as with the sources."""
    insists: Callable[[BackendConfig], bool] = lambda config: config.required
    """Who has to come up, if it is connected to, or nothing changes."""
    anew: frozenset[str] = frozenset()
    """Who is connected to again where nothing differs."""
    is_whole: bool = False
    """It is a list, and does not follow from the one that there is."""
    around: Surroundings | None = None
    """None where these stay, or its turn has not come."""
    surroundings: Callable[[Config], Surroundings] | None = None
    """From what runs when its turn has come to these; None where they stay."""

    def at(self, now: Config) -> Edit:
        """The same, now that its turn has come; raises `ConfigError`."""
        return self if self.surroundings is None else attrs.evolve(self, around=self.surroundings(now))

    def config(self, now: Config) -> Config:
        """All that is to be, from all that is; raises `ConfigError`."""
        return attrs.evolve(now if self.around is None else self.around.config, backends=tuple(self.of(now.backends)))


def whole(
    backends: Backends, sources: Mapping[str, object], *, strict: bool, surroundings: Callable[[Config], Surroundings] | None = None
) -> Edit:
    """These and no others; if it is strict, all that are connected to have to come up."""

    def insists(config: BackendConfig) -> bool:
        return strict or config.required

    return Edit(lambda _now: backends, sources, insists=insists, is_whole=True, surroundings=surroundings)


def adding(config: BackendConfig, source: object, layers: Sequence[Layer] = ()) -> Edit:
    """One more, which has to come up. It may have the name of one that is not enabled."""

    def of(now: Backends) -> Backends:
        return [*(other for other in now if other.enabled or other.name != config.name), config]

    return Edit(of, {config.name: source}, {config.name: layers} if layers else {}, lambda other: other.name == config.name)


def removing(name: str) -> Edit:
    """One less."""
    return Edit(lambda now: [other for other in now if other.name != name])


def replacing(config: BackendConfig, source: object) -> Edit:
    """Another in the place of one, which has to come up."""

    def of(now: Backends) -> Backends:
        if not any(other.name == config.name and other.enabled for other in now):
            raise ConfigError([Problem(None, None, "", f"there is no backend '{config.name}' to replace", "add it")])
        return [config if other.name == config.name else other for other in now]

    return Edit(of, {config.name: source}, insists=lambda other: other.name == config.name, anew=frozenset({config.name}))
