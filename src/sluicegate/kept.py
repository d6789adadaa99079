"""One backend of the fleet and the task that keeps it."""

from __future__ import annotations

import attrs
import trio

from .backends.backend import Backend, Phase
from .backends.supervisor import Supervisor
from .config.model import BackendConfig

__all__ = ["BackendFailed", "Kept", "SkippedBackend"]


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
class Kept:
    """A backend, and what it takes to stop it."""

    config: BackendConfig
    source: object
    """What the program brought for it: a server object, a connector, or nothing."""
    backend: Backend
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)

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

    async def drain(self, seconds: float) -> None:
        """Let its calls end, then stop it; when cancelled, stop it at once."""
        try:
            with trio.move_on_after(seconds):
                await self.backend.wait_for(lambda backend: backend.in_flight == 0)
        finally:
            self.scope.cancel()
        await self._ended.wait()
