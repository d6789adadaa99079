"""Answers that are asked for anew behind, while those that are kept are still given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ..protocol.calls import Call
from ..telling.loggers import get_logger
from .detached import detached

__all__ = ["Refreshing"]

log = get_logger("sluicegate.cache")

MOST = 16
"""At the same time, of one backend; what is one too many stays stale until it is asked for again."""


@attrs.define(eq=False, repr=False)
class Refreshing:
    """Those of one backend, each once at a time."""

    background: trio.Nursery
    _running: set[bytes] = attrs.field(factory=set, init=False)

    def start(self, call: Call, key: bytes, ask: Callable[[Call], Awaitable[object]], backend: str) -> None:
        """Ask once more, in as much time as this call has, unless that is being done."""
        if key not in self._running and len(self._running) < MOST:
            self._running.add(key)
            self.background.start_soon(
                self._run, detached(call), key, ask, call.trail.allowed, backend, name="a kept answer is asked for anew"
            )

    async def _run(self, call: Call, key: bytes, ask: Callable[[Call], Awaitable[object]], seconds: float, backend: str) -> None:
        trail = call.trail
        try:
            trail.allowed, trail.ends_at = seconds, trio.current_time() + seconds
            call.scope.deadline = trail.ends_at
            with call.scope:
                await ask(call)
        except Exception as error:  # a bug in there costs this answer, not the nursery with all other background work
            log.exception("bug while a kept answer was asked for anew", backend=backend, target=call.target, error=repr(error))
        finally:
            self._running.discard(key)
