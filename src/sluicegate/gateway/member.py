"""One backend of the fleet and the task that keeps it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import attrs
import trio

from ..backends.backend import Backend, Phase, State
from ..backends.supervisor import Supervisor
from ..config.model import BackendConfig
from ..policies.mirror import Shadow
from ..protocol.calls import Handler
from ..routing.split import Schedule
from ..routing.visibility import Filter, Visibility
from .policy_handles import Policies

__all__ = ["BackendFailed", "Member", "SkippedBackend"]


_VIEW = ("expose_tools", "hide_tools", "expose_resources", "hide_resources", "expose_prompts", "hide_prompts", "aliases")
"""Settings that decide what clients see of a backend, and nothing else."""


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
class Member:
    """A backend, what it takes to stop it, and what is made of its settings once."""

    config: BackendConfig
    source: object
    """What the program brought for it: a server object, a connector, or nothing."""
    backend: Backend
    policies: Policies
    """Those of its policies that remember something."""
    visibility: Visibility = attrs.field(default=attrs.Factory(lambda self: _visibility(self.config), takes_self=True), init=False)
    """What of it clients may see."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _target: tuple[object, Handler] | None = attrs.field(default=None, init=False)
    """What its policies were made of, and the outermost of them."""

    _schedule: Schedule | None = attrs.field(default=None, init=False)

    @cached_property
    def shadow(self) -> Shadow:
        """It as a mirror of another one; copies pass none of its own policies."""
        return Shadow(self.config.name, self.backend, self.config.mirror_percent, seconds=self.config.timeout.seconds)

    def is_seen_otherwise(self, config: BackendConfig) -> bool:
        """Whether these settings differ from its own, and in what clients see of it alone."""
        return config != self.config and attrs.evolve(config, **{key: getattr(self.config, key) for key in _VIEW}) == self.config

    def see_as(self, config: BackendConfig) -> None:
        """Take such settings on; the next catalogue is made with them."""
        self.config, self.visibility = config, _visibility(config)

    def target_of(self, parts: object, make: Callable[[], Handler]) -> Handler:
        """Its policies, with all that they have counted; made anew only where their parts are others than before."""
        if self._target is None or self._target[0] != parts:
            self._target = parts, make()
        return self._target[1]

    def schedule_for(self, fresh: Schedule) -> Schedule:
        """Whose turn it is among its canaries: as before while their shares are, so that a change elsewhere does not begin a new round."""
        if self._schedule is None or self._schedule.shares != fresh.shares:
            self._schedule = fresh
        return self._schedule

    def is_available(self) -> bool:
        """Whether it makes sense to send it a call now."""
        return self.backend.is_available and not self.policies.is_open

    @property
    def group(self) -> str:
        """The primary of those that stand in for each other."""
        return self.config.stands_for or self.config.name

    @property
    def skipped(self) -> SkippedBackend:
        """Why it is not there."""
        return SkippedBackend(self.config.name, self.backend.error or "it was stopped before it was ready", self.backend.phase)

    async def keep(self, supervisor: Supervisor) -> None:
        """Supervise it until it is stopped."""
        try:
            with self.scope:
                await supervisor.run()
        finally:
            self._ended.set()

    async def becomes_ready(self) -> bool:
        """Wait until it is up, however often it fails before; False if it was stopped instead."""
        await self.backend.wait_for(lambda backend: backend.state in (State.READY, State.STOPPED))
        return self.backend.state is State.READY

    def hush(self) -> None:
        """Tell of no more changes, because under this name another one has begun to serve."""
        self.backend.on_change = lambda _change: None

    async def drain(self, seconds: float) -> None:
        """Let its calls end, also those that still wait for their turn, then stop it; when cancelled, stop it at once.

        One that gives up while it waits tells nobody; if it was the last, this takes all the time that it may.
        """
        try:
            with trio.move_on_after(seconds):
                await self.backend.wait_for(lambda backend: backend.in_flight == 0 and not self.policies.holds_calls)
        finally:
            self.scope.cancel()
        await self._ended.wait()


def _visibility(config: BackendConfig) -> Visibility:
    """Stand-ins and canaries are never seen (FLT-5)."""
    return Visibility(
        tools=Filter.parse(config.expose_tools, config.hide_tools),
        resources=Filter.parse(config.expose_resources, config.hide_resources),
        prompts=Filter.parse(config.expose_prompts, config.hide_prompts),
        aliases={alias.from_: alias.to for alias in config.aliases},
        hidden=config.stands_for is not None or (config.mirror_of is not None and config.mirror_hidden),
    )
