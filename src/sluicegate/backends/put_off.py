"""Resources that a backend has granted once and refuses now: it may be another day, so they are asked for again (P-68)."""

from __future__ import annotations

import math

import attrs
import trio

from ..protocol.faults import Fault
from ..telling.loggers import get_logger
from .doubling import doubled
from .watched import WatchedResource, WatchedResources

__all__ = ["PutOff"]

log = get_logger("sluicegate.backend")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Before they are asked for again."""


@attrs.define(eq=False, repr=False)
class PutOff:
    """Those of one session, each once, however often somebody else is refused it meanwhile."""

    backend: str
    watched: WatchedResources
    _all: dict[WatchedResource, None] = attrs.field(factory=dict, init=False)
    _again_at: float = attrs.field(default=math.inf, init=False)
    _times: int = attrs.field(default=0, init=False)
    """That some were put off in a row."""

    def __len__(self) -> int:
        return len(self._all)

    def refuse(self, resource: WatchedResource, fault: Fault) -> None:
        """The backend does not grant it: who waits for that is told, and for who was granted it before it is asked for again."""
        resource.refuse(fault)
        if not resource.wanted_by:
            return
        self._all[resource] = None
        if self._again_at == math.inf:
            # of all that are put off together the first is named: there may be thousands
            log.warning("backend does not grant a subscription again", backend=self.backend, uri=resource.uri, error=fault.told)
            self._again_at = trio.current_time() + doubled(FIRST_PAUSE, self._times, LONGEST_PAUSE)
            self._times += 1

    async def wait(self) -> None:
        """Wait until something may be due; for who keeps the session."""
        with trio.move_on_at(self._again_at):
            await self.watched.wait()
        if trio.current_time() >= self._again_at:
            self._again_at = math.inf
            again, self._all = self._all, {}
            for resource in again:
                resource.refused = False
                self.watched.look_at(resource)

    def granted(self) -> None:
        """The backend does grant something."""
        self._times = 0
