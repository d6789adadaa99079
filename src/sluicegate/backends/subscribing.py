"""Telling a backend with a session what of its resources is wanted: ``resources/subscribe`` and ``resources/unsubscribe`` (P-65, P-68)."""

from __future__ import annotations

import math

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.messages import Raw, encode
from ..protocol.offers import Hello
from ..protocol.subscription import SUBSCRIBE, UNSUBSCRIBE, is_subscribable
from ..telling.loggers import get_logger
from .doubling import doubled
from .session import BackendSession
from .watched import WatchedResource, WatchedResources

__all__ = ["ANSWER_SECONDS", "Subscribing", "no_subscriptions"]

log = get_logger("sluicegate.backend")

ANSWER_SECONDS = 30.0
"""How long a backend may take to say that it grants a subscription."""
MOST_AT_ONCE = 8
"""Requests about subscriptions that are on their way at the same time: there may be thousands to be made again."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Before what was granted in an earlier session, and is refused in this one, is asked for again."""


def no_subscriptions(backend: str) -> faults.Fault:
    """It has not declared that there are any."""
    message = f"backend '{backend}' does not say when a resource changes: it has not declared resources.subscribe"
    return attrs.evolve(faults.client_mistake(message, code=METHOD_NOT_FOUND, reason="unknown_method"), backend=backend)


@attrs.define(eq=False)
class Subscribing:
    """Keeps one session in line with what is wanted, until cancelled."""

    session: BackendSession
    backend: str
    watched: WatchedResources
    _moving: int = attrs.field(default=0, init=False)
    """About so many the backend is being asked; about each by one task, so that what is said of it comes in order."""
    _later: dict[WatchedResource, None] = attrs.field(factory=dict, init=False)
    """Those that are asked for again after a pause, each once, however often somebody else is refused meanwhile."""
    _again_at: float = attrs.field(default=math.inf, init=False)
    _failures: int = attrs.field(default=0, init=False)

    async def run(self, hello: Hello) -> None:
        """Say what has to be said, as it comes to be."""
        watched = self.watched
        knows = is_subscribable(hello)
        watched.forget()
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    while self._moving < MOST_AT_ONCE and (resource := watched.take_due()) is not None:
                        self._move(resource, nursery, knows=knows)
                    with trio.move_on_at(self._again_at):
                        await watched.wait()
                    self._try_again()
        finally:
            watched.forget()

    def _move(self, resource: WatchedResource, nursery: trio.Nursery, *, knows: bool) -> None:
        if not knows:
            resource.refuse(no_subscriptions(self.backend))
        elif not resource.is_moving:
            resource.is_moving = True
            self._moving += 1
            nursery.start_soon(self._bring_in_line, resource)

    def _try_again(self) -> None:
        if trio.current_time() >= self._again_at:
            self._again_at = math.inf
            later, self._later = self._later, {}
            for resource in later:
                resource.refused = False
                self.watched.look_at(resource)

    async def _bring_in_line(self, resource: WatchedResource) -> None:
        try:
            while not resource.is_in_line:
                if resource.wanted_by:
                    await self._subscribe(resource)
                else:
                    resource.held = False
                    await self._ask(UNSUBSCRIBE, resource.uri)
        finally:
            resource.is_moving = False
            self._moving -= 1
            self.watched.look_at(resource)
            self.watched.ring()

    async def _subscribe(self, resource: WatchedResource) -> None:
        fault = (await self._ask(SUBSCRIBE, resource.uri)).fault
        if fault is None:
            self._failures = 0
            resource.grant()
            return
        if not self.session.is_open:
            resource.refused = True  # until there is a session again, in which it is asked anew
            return
        resource.refuse(fault)
        if resource.wanted_by:
            log.warning("backend does not grant a subscription again", backend=self.backend, uri=resource.uri, error=fault.told)
            self._later[resource] = None
            if self._again_at == math.inf:
                self._again_at = trio.current_time() + doubled(FIRST_PAUSE, self._failures, LONGEST_PAUSE)
                self._failures += 1

    async def _ask(self, method: str, uri: str) -> Reply:
        with trio.move_on_after(ANSWER_SECONDS):
            return await self.session.request(Call(method, uri, {"uri": Raw(encode(uri))}))
        return Reply.failed(faults.timed_out(uri, ANSWER_SECONDS, backend=self.backend))
