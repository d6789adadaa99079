"""All backends of a gateway: which there are, who supervises them, and the catalogue that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
import trio

from ..backends.backend import Backend, State, StateChange
from ..backends.session import Connector
from ..backends.supervisor import Supervisor
from ..config.checks.whole import problems
from ..config.model import BackendConfig, Config
from ..config.problem import ConfigError, Problem
from ..loggers import get_logger
from ..policies.hedge import HedgeTimer
from ..policies.mirror import Shadow
from ..policies.outlier import Group
from ..protocol.blot import Blot, unblotted
from ..protocol.calls import Handler, Layer
from ..routing.catalogue import Directory, Entry, build
from ..sources import Sources
from .member import BackendFailed, Member, SkippedBackend
from .pipeline import assemble, guarded, stand_ins
from .policy_handles import Policies, PolicyContext, health_of, restarts_of
from .readiness import Readiness

__all__ = ["BackendFailed", "Fleet", "SkippedBackend"]

log = get_logger("sluicegate.gateway.fleet")


@attrs.define(eq=False)
class Fleet:
    """Adds, removes and replaces backends, and keeps the directory in step with them."""

    config: Config
    connect: Callable[[BackendConfig, object], Connector]
    """From a backend's settings, and what the program brought for it, to its connector."""
    sources: Sources
    nursery: trio.Nursery
    """Where the supervisors live."""
    background: trio.Nursery
    directory: Directory
    layers: dict[str, Sequence[Layer]] = attrs.field(factory=dict)
    """Policies of the embedding program, per backend, innermost first."""
    servers: Mapping[str, object] = attrs.field(factory=dict)
    """What the program brought for the configured backends, by name."""
    blot_for: Callable[[BackendConfig], Blot] = lambda _config: unblotted
    """What takes known secrets out of what the operator is told of a backend."""
    readiness: Readiness = attrs.field(
        default=attrs.Factory(lambda self: Readiness(lambda: self._members, self.config.proxy.startup_wait_seconds), takes_self=True),
        init=False,
    )
    """Who asks whether they are there, and who waits for it."""
    _timer: HedgeTimer = attrs.field(factory=HedgeTimer, init=False)
    _groups: dict[str, Group] = attrs.field(factory=dict, init=False)
    """By primary, those that stand in for each other."""
    _members: dict[str, Member] = attrs.field(factory=dict, init=False)
    _handlers: dict[str, Handler] = attrs.field(factory=dict, init=False)

    @property
    def backends(self) -> Mapping[str, Backend]:
        """Every backend by name, in the order of the configuration."""
        return {name: member.backend for name, member in self._members.items()}

    @property
    def configs(self) -> list[BackendConfig]:
        """The settings of every backend, in order."""
        return [member.config for member in self._members.values()]

    @property
    def policies(self) -> Mapping[str, Policies]:
        """Of every backend, those of its policies that can be read and moved."""
        return {name: member.policies for name, member in self._members.items()}

    @property
    def shadows(self) -> list[Shadow]:
        """Every mirror, with what became of its copies."""
        return [member.shadow for member in self._members.values() if member.config.mirror_of is not None]

    async def start(self, *, strict: bool) -> None:
        """Start every enabled backend at once, and wait for those that must come up; raises `BackendFailed`."""
        self.background.start_soon(self._timer.run)
        enabled = [config for config in self.config.backends if config.enabled]
        self._go_on_with({config.name: self._launch(config, self.servers.get(config.name)) for config in enabled})
        for config in enabled:
            if strict or config.required:
                await self._insist(config.name)

    def _launch(self, config: BackendConfig, source: object) -> Member:
        connector, blot = self.connect(config, source), self.blot_for(config)
        backend = Backend(config.name, connector, self._state_changed, self.rebuild, health_of(config, blot), config.is_strict, blot)
        member = Member(config, source, backend, self.police(config, backend))
        supervisor = Supervisor(
            backend,
            restarts_of(config),
            config.connect_timeout_seconds,
            self.sources.chance(f"restart:{config.name}"),
            self.config.proxy.name,
            self.config.proxy.version,
        )
        self.nursery.start_soon(member.keep, supervisor)
        return member

    def police(self, config: BackendConfig, backend: Backend) -> Policies:
        """Make the policies of a backend that remember something."""
        context = PolicyContext(backend, self.sources.chance, self._timer, self.background)
        return Policies.found_in(guarded(config, backend, context), config, self.config.security.max_argument_size)

    def _state_changed(self, change: StateChange) -> None:
        self.rebuild()
        self.readiness.announce(change)

    def _go_on_with(self, members: dict[str, Member]) -> None:
        """Have these backends and no others; if a layer of the program cannot be put around one, nothing has changed."""
        self._handlers = assemble(members, self.layers, self.background)
        before, self._members = self._members, members
        self._regroup(before)
        self.rebuild()

    def _regroup(self, before: Mapping[str, Member]) -> None:
        """Who serves from now on is in its group, and who does not is not: one that is still tried, or only ends its last calls."""
        for name, one in self._members.items():
            if before.get(name) is not one:
                one.policies.join(self._groups.setdefault(one.group, Group()))
        for name, one in before.items():
            if self._members.get(name) is not one:
                one.policies.leave()
        used = {one.group for one in self._members.values()}
        self._groups = {primary: group for primary, group in self._groups.items() if primary in used}

    def rebuild(self) -> None:
        """Make the catalogue anew and put it in the place of the old one."""
        configs = self.configs
        entries = [
            Entry(
                name,
                member.config.effective_namespace,
                self._handlers[name],
                member.visibility,
                member.backend.offer,
                stand_ins(member.config, configs),
                member.backend.state is State.STARTING,
            )
            for name, member in self._members.items()
        ]
        proxy = self.config.proxy
        self.directory.replace(
            build(
                entries,
                separator=proxy.separator,
                page_size=proxy.page_size,
                max_tool_name=proxy.max_tool_name,
                portable=proxy.portable_names,
                instructions=proxy.instructions,
            )
        )

    async def _insist(self, name: str) -> None:
        """Wait for the first attempt at a backend; raises `BackendFailed`."""
        member = self._members[name]
        await member.backend.wait_for(lambda backend: backend.state is not State.STARTING)
        if member.backend.state is not State.READY:
            raise BackendFailed(member.skipped)

    async def add(self, config: BackendConfig, source: object) -> None:
        """Connect a new backend and offer what it has; raises `BackendFailed` or `ConfigError`, and then nothing has changed."""
        await self._join(config, source, lambda: [*self.configs, config])

    async def _join(self, config: BackendConfig, source: object, then: Callable[[], list[BackendConfig]]) -> None:
        """Connect a backend and take it in; on failure and on cancellation nothing of it is left behind.

        ``then`` says what the configuration will be. It is checked before, and again after the wait, because others change the fleet, too.
        """
        self._check(then())
        member = self._launch(config, source)
        taken = False
        try:
            await member.backend.wait_for(lambda backend: backend.state is not State.STARTING)
            if member.backend.state is not State.READY:
                raise BackendFailed(member.skipped)
            self._check(then())
            self._go_on_with(self._members | {config.name: member})
            taken = True
        finally:
            if not taken:
                member.scope.cancel()

    def _check(self, configs: Sequence[BackendConfig]) -> None:
        """Raises `ConfigError` if a gateway could not run with these backends."""
        if found := problems(attrs.evolve(self.config, backends=tuple(configs))):
            raise ConfigError(found)

    async def remove(self, name: str, *, drain_seconds: float) -> bool:
        """Take a backend out of every list at once, let its calls end, and stop it; False if there is none of that name.

        Raises `ConfigError` if another one depends on it.
        """
        self._check([config for config in self.configs if config.name != name])
        member = self._members.get(name)
        if member is None:
            return False
        self.layers.pop(name, None)
        self._go_on_with({other: one for other, one in self._members.items() if other != name})
        await member.drain(drain_seconds)
        return True

    async def replace(self, config: BackendConfig, source: object, *, drain_seconds: float) -> None:
        """Connect the new, swap, drain the old; raises `BackendFailed` or `ConfigError`, and then the old one still serves.

        Where only what clients see of it differs, it stays as it is: with its session, and all that its policies have counted.
        """
        old: list[Member] = []

        def then() -> list[BackendConfig]:
            if config.name not in self._members:
                raise ConfigError([Problem(None, None, "", f"there is no backend '{config.name}' to replace", "add it")])
            old[:] = [self._members[config.name]]
            return [config if other.name == config.name else other for other in self.configs]

        before = self._members.get(config.name)
        if before is not None and source in (None, before.source) and before.is_seen_otherwise(config):
            self._check(then())
            before.see_as(config)
            self.rebuild()
            await trio.lowlevel.checkpoint()
            return
        await self._join(config, source if source is not None or before is None else before.source, then)
        for member in old:
            member.hush()
            await member.drain(drain_seconds)
