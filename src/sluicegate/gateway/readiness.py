"""Whether backends are there: who asks, who waits for it, and who watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import attrs
import trio

from ..backends.attention import wait_told
from ..backends.backend import Backend
from ..backends.level_telling import TOLD_SECONDS
from ..backends.link import Phase, State, StateChange
from ..config.nearest import instead_of_unknown
from ..protocol.calls import Call, Caller
from ..protocol.clientele import MANY, Clientele
from .member import Member
from .supervised import BackendFailed, SkippedBackend, Supervised

__all__ = ["STARTUP_WAIT_SECONDS", "STDIO_STARTUP_WAIT_SECONDS", "Readiness"]

STARTUP_WAIT_SECONDS = 10.0
STDIO_STARTUP_WAIT_SECONDS = 30.0
"""A desktop client reads the lists once and never again, so there it is worth waiting longer."""
MOST_UNREAD = 256
"""State changes that somebody who watches may be behind."""


@attrs.define(eq=False, repr=False)
class Readiness:
    """Of all backends of a fleet, as it is at the moment of asking."""

    members: Callable[[], Mapping[str, Member]]
    configured: float | None = None
    """How long to wait at most for backends that are starting, in seconds; None is `usual`."""
    clientele: Clientele = MANY
    """Who the clients are: backends wait for one that is the only one."""
    usual: float = STARTUP_WAIT_SECONDS
    _opened_at: float = attrs.field(factory=trio.current_time, init=False)
    _watchers: list[trio.MemorySendChannel[StateChange]] = attrs.field(factory=list, init=False)

    @property
    def patience(self) -> float:
        """How many seconds a backend that is starting is waited for, at most."""
        return self.usual if self.configured is None else self.configured

    @property
    def skipped(self) -> list[SkippedBackend]:
        """The backends that are not there now, with the reason."""
        return [one.skipped for one in self._supervised() if one.backend.error and one.backend.state is not State.READY]

    def is_any_available(self) -> bool:
        """Whether a call could be served: some backend is up and healthy."""
        return any(one.backend.is_available for one in self._supervised())

    async def ready(self, names: Sequence[str]) -> None:
        """Wait until each of these is up, however often it fails before; raises `KeyError` and `BackendFailed`."""
        await trio.lowlevel.checkpoint()
        for name in names:
            if name not in self.members():
                raise KeyError(f"there is no backend '{name}'; {instead_of_unknown(name, self.members())}")
        for name in names:
            while (one := self._named(name)) is None or not await one.becomes_ready():
                if self._named(name) is one:  # else another has taken its place
                    raise BackendFailed(SkippedBackend(name, "it was removed", Phase.CONNECT) if one is None else one.skipped)

    async def settled(self) -> None:
        """Wait while backends are starting, but no longer than is to be waited from when the gateway was opened, or its client known."""
        with trio.move_on_at(max(self._opened_at, self.clientele.known_at or 0.0) + self.patience):
            await trio.lowlevel.checkpoint()
            for one in self._supervised():
                await one.first_attempt()

    async def acquaint(self, call: Call) -> None:
        """Have those ask for a caller's lists that do not know what is offered to callers like him; for no longer than a start is waited for.

        That is the first use of his own session. Where none can be had, he sees what is offered to all.
        """
        of_clients = [one.backend.clients for one in self._supervised()]
        unknown = [clients for clients in of_clients if clients is not None and not clients.knows(call.caller)]
        if unknown:
            with trio.move_on_after(self.patience):
                async with trio.open_nursery() as nursery:
                    for clients in unknown:
                        nursery.start_soon(clients.first_attempt, call)

    async def heard(self, caller: Caller) -> None:
        """Return once every backend was told to log as much as a caller wants to hear, or when it takes too long."""
        with trio.move_on_after(TOLD_SECONDS):
            for one in self._supervised():
                await wait_told(one.backend, caller)

    def _supervised(self) -> list[Supervised]:
        return [member.supervised for member in self.members().values()]

    def _named(self, name: str) -> Supervised | None:
        member = self.members().get(name)
        return None if member is None else member.supervised

    @asynccontextmanager
    async def changes(self) -> AsyncGenerator[trio.MemoryReceiveChannel[StateChange], None]:
        """State changes of all backends from now on; whoever lags too far behind misses some."""
        send, receive = trio.open_memory_channel[StateChange](MOST_UNREAD)
        self._watchers.append(send)
        try:
            with receive:
                yield receive
        finally:
            self._watchers.remove(send)
            send.close()

    def introduce(self, backend: Backend) -> None:
        """Tell who watches what has become of one until it began to serve, where that is more than nothing."""
        if backend.state is not State.STARTING:
            self.announce(StateChange(backend.name, State.STARTING, backend.state, backend.error, backend.since))

    def announce(self, change: StateChange) -> None:
        """Tell who watches."""
        for watcher in self._watchers:
            with suppress(trio.WouldBlock, trio.BrokenResourceError):
                watcher.send_nowait(change)
