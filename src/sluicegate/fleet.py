"""All backends of a gateway: which there are, who supervises them, and the catalogue that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
import trio

from .backends.backend import Backend, Phase, State, StateChange
from .backends.session import Connector
from .backends.supervisor import Restarts, Supervisor
from .config.model import BackendConfig, Config
from .events import get_logger
from .pipeline import Parts, assemble, stand_ins
from .protocol.calls import Handler, Layer
from .routing.catalogue import Directory, Member, build
from .routing.visibility import Filter, Visibility
from .sources import Sources

__all__ = ["BackendFailed", "Fleet", "SkippedBackend"]

log = get_logger("sluicegate.fleet")


@attrs.frozen
class SkippedBackend:
    """A backend that is configured but not there; it keeps being tried (CORE-7)."""

    namespace: str
    error: str
    phase: Phase

    def __str__(self) -> str:
        return f"[{self.namespace}] {self.phase.value.capitalize()} failed: {self.error}"


class BackendFailed(Exception):
    """A backend that had to come up did not; nothing was changed."""

    def __init__(self, skipped: SkippedBackend) -> None:
        super().__init__(str(skipped))
        self.skipped = skipped


@attrs.define(eq=False)
class _Kept:
    """One backend and the task that keeps it."""

    config: BackendConfig
    backend: Backend
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    ended: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Fleet:
    """Adds, removes and replaces backends, and keeps the directory in step with them."""

    config: Config
    connect: Callable[[BackendConfig], Connector]
    sources: Sources
    nursery: trio.Nursery
    """Where the supervisors live."""
    background: trio.Nursery
    directory: Directory
    layers: dict[str, Sequence[Layer]] = attrs.field(factory=dict)
    """Policies of the embedding program, per backend, innermost first."""
    on_change: Callable[[StateChange], None] = lambda _change: None
    _kept: dict[str, _Kept] = attrs.field(factory=dict, init=False)
    _joining: list[BackendConfig] = attrs.field(factory=list, init=False)
    """Backends that are just being added: their names are taken already."""
    _handlers: dict[str, Handler] = attrs.field(factory=dict, init=False)
    _visibilities: dict[str, Visibility] = attrs.field(factory=dict, init=False)

    @property
    def backends(self) -> Mapping[str, Backend]:
        """Every backend by name, in the order of the configuration."""
        return {name: kept.backend for name, kept in self._kept.items()}

    @property
    def configs(self) -> list[BackendConfig]:
        """The settings of every backend, in order."""
        return [kept.config for kept in self._kept.values()]

    @property
    def claimed(self) -> list[BackendConfig]:
        """The settings of every backend, and of those that are about to be one."""
        return self.configs + self._joining

    @property
    def skipped(self) -> list[SkippedBackend]:
        """The backends that are not there now, with the reason."""
        return [_skipped(kept) for kept in self._kept.values() if kept.backend.error and kept.backend.state is not State.READY]

    def start(self) -> None:
        """Start every enabled backend at once."""
        for config in self.config.backends:
            if config.enabled:
                self._kept[config.name] = self._launch(config)
        self._reassemble()

    def _launch(self, config: BackendConfig) -> _Kept:
        backend = Backend(config.name, self.connect(config), self._state_changed, self.rebuild)
        kept = _Kept(config, backend)
        supervisor = Supervisor(
            backend,
            Restarts(
                config.restart.initial_seconds, config.restart.max_seconds, config.restart.crash_limit, config.restart.crash_window_seconds
            ),
            config.connect_timeout_seconds,
            self.sources.chance(f"restart:{config.name}"),
            self.config.proxy.name,
            self.config.proxy.version,
        )
        self.nursery.start_soon(_keep, kept, supervisor)
        return kept

    def _state_changed(self, change: StateChange) -> None:
        self.rebuild()
        self.on_change(change)

    def _reassemble(self) -> None:
        """Make the chains anew, because there are other backends than before."""
        configs = self.configs
        self._handlers = assemble(Parts(self.backends, configs, self.layers, self.background))
        self._visibilities = {config.name: visibility(config) for config in configs}
        self.rebuild()

    def rebuild(self) -> None:
        """Make the catalogue anew and put it in the place of the old one."""
        configs = self.configs
        if not self._handlers.keys() >= self._kept.keys():
            return  # between launching and assembling
        members = [
            Member(
                name,
                kept.config.effective_namespace,
                self._handlers[name],
                self._visibilities[name],
                kept.backend.offer,
                stand_ins(kept.config, configs),
                kept.backend.state is State.STARTING,
            )
            for name, kept in self._kept.items()
        ]
        proxy = self.config.proxy
        self.directory.replace(
            build(
                members,
                separator=proxy.separator,
                page_size=proxy.page_size,
                max_tool_name=proxy.max_tool_name,
                instructions=proxy.instructions,
            )
        )

    async def first_attempts(self) -> None:
        """Wait until no backend is starting any more."""
        for kept in list(self._kept.values()):
            await kept.backend.wait_for(lambda backend: backend.state is not State.STARTING)

    async def insist(self, name: str) -> None:
        """Wait for the first attempt at a backend; raises `BackendFailed`."""
        kept = self._kept[name]
        await kept.backend.wait_for(lambda backend: backend.state is not State.STARTING)
        if kept.backend.state is not State.READY:
            raise BackendFailed(_skipped(kept))

    async def add(self, config: BackendConfig) -> None:
        """Connect a new backend and offer what it has; raises `BackendFailed`, and then nothing has changed."""
        self._joining.append(config)
        try:
            kept = await self._ready(config)
        finally:
            self._joining.remove(config)
        self._kept[config.name] = kept
        self._reassemble()

    async def _ready(self, config: BackendConfig) -> _Kept:
        """A new backend that is ready; on failure and on cancellation nothing of it is left behind."""
        kept = self._launch(config)
        arrived = False
        try:
            await kept.backend.wait_for(lambda backend: backend.state is not State.STARTING)
            arrived = kept.backend.state is State.READY
            if not arrived:
                raise BackendFailed(_skipped(kept))
        finally:
            if not arrived:
                kept.scope.cancel()
        return kept

    async def remove(self, name: str, *, drain_seconds: float) -> bool:
        """Take a backend out of every list at once, let its calls end, and stop it; False if there is none of that name."""
        kept = self._kept.pop(name, None)
        if kept is None:
            return False
        self.layers.pop(name, None)
        self._reassemble()
        await _drain(kept, drain_seconds)
        return True

    async def replace(self, config: BackendConfig, *, drain_seconds: float) -> None:
        """Connect the new, swap, drain the old; raises `BackendFailed`, and then the old one still serves."""
        new = await self._ready(config)
        old = self._kept.get(config.name)
        self._kept[config.name] = new
        self._reassemble()
        if old is not None:
            await _drain(old, drain_seconds)


async def _keep(kept: _Kept, supervisor: Supervisor) -> None:
    try:
        with kept.scope:
            await supervisor.run()
    finally:
        kept.ended.set()


async def _drain(kept: _Kept, seconds: float) -> None:
    try:
        with trio.move_on_after(seconds):
            await kept.backend.wait_for(lambda backend: backend.in_flight == 0)
    finally:
        kept.scope.cancel()
    await kept.ended.wait()


def _skipped(kept: _Kept) -> SkippedBackend:
    return SkippedBackend(kept.config.name, kept.backend.error, kept.backend.phase)


def visibility(config: BackendConfig) -> Visibility:
    """What of a backend clients may see; members of a failover order are never seen (FLT-5)."""
    return Visibility(
        tools=Filter.parse(config.expose_tools, config.hide_tools),
        resources=Filter.parse(config.expose_resources, config.hide_resources),
        prompts=Filter.parse(config.expose_prompts, config.hide_prompts),
        aliases={alias.from_: alias.to for alias in config.aliases},
        hidden=config.failover_for is not None or (config.mirror_of is not None and config.mirror_hidden),
    )
