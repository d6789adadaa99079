"""One backend and the task that keeps it, from its first attempt until it is stopped."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
import trio

from ..backends.backend import Backend
from ..backends.handshake import Handshake
from ..backends.link import Link, Phase, State, StateChange
from ..backends.supervisor import Supervisor
from ..config.model import BackendConfig, ProxyConfig
from .handles import Policies

__all__ = ["BackendFailed", "SkippedBackend", "Supervised"]

MOST_POLICIES = 32
"""How many changes of its policies ago a call may have begun for which a backend that goes away still waits."""


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
class Supervised:
    """A backend, what it takes to stop it, and who still needs it."""

    config: BackendConfig
    """How it was connected to. What has changed since, and needs no other connection, is in `Member.config`."""
    source: object
    """What the program brought for it: a server object, a connector, or nothing."""
    backend: Backend
    supervisor: Supervisor
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _policies: tuple[Policies, ...] = attrs.field(default=(), init=False)
    """Those before it, and earlier ones that calls may still be on their way through."""

    @classmethod
    def of(cls, config: BackendConfig, source: object, link: Link, chance: random.Random, proxy: ProxyConfig) -> Supervised:
        """A backend with a link, and its supervisor, which nobody has started yet."""
        opener = Handshake(proxy.name, proxy.version)
        supervisor = Supervisor(link, config.restart, config.connect_timeout_seconds, chance, opener)
        return cls(config, source, Backend(link), supervisor)

    @property
    def skipped(self) -> SkippedBackend:
        """Why it is not there."""
        return SkippedBackend(self.backend.name, self.backend.error or "it was stopped before it was ready", self.backend.phase)

    async def keep(self) -> None:
        """Supervise it until it is stopped."""
        try:
            with self._scope:
                await self.supervisor.run()
        finally:
            self._ended.set()

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
        self.supervisor.go_by(config.restart, config.connect_timeout_seconds)

    def tell(self, on_change: Callable[[StateChange], None], on_lists: Callable[[], None]) -> None:
        """From now on it is somebody's business how it is. Whoever is only tried changes nothing that anybody could see."""
        link = self.backend.link
        link.on_change, link.on_lists = on_change, on_lists

    def hush(self) -> None:
        """Tell of no more changes, because under this name another one has begun to serve."""
        self.tell(lambda _change: None, lambda: None)

    def stop(self) -> None:
        """End it, whatever it does."""
        self._scope.cancel()

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
