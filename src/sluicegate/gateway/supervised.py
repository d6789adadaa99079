"""One backend and the task that keeps it, from its first attempt until it is stopped."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
import msgspec
import trio

from ..backends.backend import Backend
from ..backends.client_links import ClientLinks
from ..backends.handshake import Handshake
from ..backends.link import Link, Phase, State, StateChange
from ..backends.modern.discovery import Discovery, Either
from ..backends.supervisor import Supervisor
from ..config.model import BackendConfig, ProxyConfig
from ..protocol.clientele import Clientele
from ..protocol.credential import Credential
from ..protocol.task_ids import TaskIds
from .handles import Policies

__all__ = ["BackendFailed", "SkippedBackend", "Supervised"]

MOST_POLICIES = 32
"""How many changes of its policies ago a call may have begun for which a backend that goes away still waits."""


class SkippedBackend(msgspec.Struct, frozen=True):
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


@attrs.define(eq=False, repr=False)
class Supervised:
    """A backend, what it takes to stop it, and who still needs it."""

    config: BackendConfig
    """How it was connected to. What has changed since, and needs no other connection, is in `Member.config`."""
    source: object
    """What the program brought for it: a server object, a connector, or nothing."""
    backend: Backend
    supervisor: Supervisor
    credential: Credential | None = None
    """What it is shown, which is kept fresh for as long as it is supervised."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _goes_by: BackendConfig = attrs.field(default=attrs.Factory(lambda self: self.config, takes_self=True), init=False)
    """The settings of the moment, as far as they need no other connection."""
    _policies: tuple[Policies, ...] = attrs.field(default=(), init=False)
    """Those before it, and earlier ones that calls may still be on their way through."""

    @classmethod
    def of(
        cls,
        config: BackendConfig,
        source: object,
        link: Link,
        chance: Callable[[str], random.Random],
        proxy: ProxyConfig,
        tasks: TaskIds,
        credential: Credential | None = None,
    ) -> Supervised:
        """A backend with a link, and its supervisor, which nobody has started yet. Links of single clients are made as the first one is."""
        name = f"restart:{config.name}"
        draws = chance(f"{name}:clients")
        made = cls(
            config,
            source,
            Backend(link, task_ids=tasks, knows_callers=knows_callers(config)),
            _supervisor(config, link, chance(name), proxy),
            credential,
        )

        def for_client(clientele: Clientele, client: str) -> Supervisor:
            own = Link(link.name, link.connector, strict=link.strict, blot=link.blot, clientele=clientele, client=client)
            own.tally, own.changes = link.tally, link.changes  # counted together
            return _supervisor(made._goes_by, own, draws, proxy)

        if config.sessions == "per_client":
            most, idle, once = config.max_sessions, config.session_idle_seconds, knows_callers(config) and config.transport != "http"
            made.backend.clients = ClientLinks(link, for_client, most, idle, made.backend.tasks, is_told_once=once)
        return made

    @property
    def skipped(self) -> SkippedBackend:
        """Why it is not there."""
        return SkippedBackend(self.backend.name, self.backend.error or "it was stopped before it was ready", self.backend.phase)

    async def keep(self) -> None:
        """Supervise it until it is stopped."""
        try:
            with self._scope:
                if self.credential is None:
                    await self.supervisor.run()
                else:
                    await self._keep_both(self.credential)
        finally:
            self._ended.set()

    async def _keep_both(self, credential: Credential) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(credential.run)
            await self.supervisor.run()

    async def first_attempt(self) -> None:
        """Wait until it has come up, or has failed to."""
        await self.backend.wait_for(lambda backend: backend.state is not State.STARTING)

    async def comes_up(self) -> None:
        """Wait for the first attempt to succeed; raises `BackendFailed`."""
        await self.first_attempt()
        if self.backend.state is not State.READY:
            raise BackendFailed(self.skipped)

    async def becomes_ready(self) -> bool:
        """Wait until it is up, however often it fails before; False if it was stopped instead."""
        await self.backend.wait_for(lambda backend: backend.state in (State.READY, State.STOPPED))
        return self.backend.state is State.READY

    def serve(self, config: BackendConfig, policies: Policies) -> None:
        """From now on it is reached through these policies, and brought back as these settings say."""
        if policies not in self._policies:
            is_idle = self.backend.in_flight == 0  # else what is there now may come back to the policies that it has passed
            self._policies = (*(one for one in self._policies if one.holds_calls or not is_idle), policies)[-MOST_POLICIES:]
        self._goes_by = config
        self.supervisor.go_by(config.restart, config.connect_timeout_seconds)
        if self.backend.clients is not None:
            self.backend.clients.go_by(config.max_sessions, config.session_idle_seconds)

    def tell(self, on_change: Callable[[StateChange], None], on_lists: Callable[[], None]) -> None:
        """From now on it is somebody's business how it is. Whoever is only tried changes nothing that anybody could see."""
        link, clients = self.backend.link, self.backend.clients
        link.on_change, link.on_lists = on_change, on_lists
        if clients is not None:
            clients.on_offer = on_lists

    def hush(self) -> None:
        """Tell of no more changes, because under this name another one has begun to serve."""
        self.tell(lambda _change: None, lambda: None)

    def stop(self) -> None:
        """End it, whatever it does, and the sessions that clients have with it."""
        self._scope.cancel()
        if self.backend.clients is not None:
            self.backend.clients.close()

    async def drain(self, seconds: float) -> None:
        """Let its calls end, also those that still wait for their turn, then stop it; when cancelled, stop it at once.

        One that gives up while it waits tells nobody; if it was the last, this takes all the time that it may.
        """
        try:
            with trio.move_on_after(seconds):
                await self.backend.wait_for(lambda backend: backend.in_flight == 0 and not any(one.holds_calls for one in self._policies))
        finally:
            self.stop()
        await self._ended.wait()
        if self.backend.clients is not None:
            await self.backend.clients.wait_ended()


def knows_callers(config: BackendConfig) -> bool:
    """Whether it hears with each request who calls."""
    return config.shows is not None and config.shows.type in {"identity", "token_exchange"}


def _supervisor(config: BackendConfig, link: Link, chance: random.Random, proxy: ProxyConfig) -> Supervisor:
    opener = Either(Handshake(proxy.name, proxy.version), Discovery(proxy.name, proxy.version, config.name), config.revision)
    return Supervisor(link, config.restart, config.connect_timeout_seconds, chance, opener)
