"""Telling a backend with a session what of its resources is wanted: ``resources/subscribe`` and ``resources/unsubscribe`` (P-65, P-68)."""

from __future__ import annotations

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.messages import Raw, encode
from ..protocol.offers import Hello
from ..protocol.subscription import SUBSCRIBE, UNSUBSCRIBE, is_subscribable
from .put_off import PutOff
from .session import BackendSession
from .watched import WatchedResource, WatchedResources

__all__ = ["ANSWER_SECONDS", "Subscribing", "no_subscriptions"]

ANSWER_SECONDS = 30.0
"""How long a backend may take to say that it grants a subscription."""
MOST_AT_ONCE = 8
"""Requests about subscriptions that are on their way at the same time: there may be thousands to be made again."""


def no_subscriptions(backend: str) -> faults.Fault:
    """It has not declared that there are any."""
    message = f"backend '{backend}' does not say when a resource changes: it has not declared resources.subscribe"
    return attrs.evolve(faults.client_mistake(message, code=METHOD_NOT_FOUND, reason="unknown_method"), backend=backend)


@attrs.define(eq=False, repr=False)
class Subscribing:
    """Keeps one session in line with what is wanted, until cancelled."""

    session: BackendSession
    backend: str
    watched: WatchedResources
    _moving: int = attrs.field(default=0, init=False)
    """About so many the backend is being asked; about each by one task, so that what is said of it comes in order."""
    _put_off: PutOff = attrs.field(default=attrs.Factory(lambda self: PutOff(self.backend, self.watched), takes_self=True), init=False)

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
                    await self._put_off.wait()
        finally:
            watched.forget()

    def _move(self, resource: WatchedResource, nursery: trio.Nursery, *, knows: bool) -> None:
        if not knows:
            resource.refuse(no_subscriptions(self.backend))
        elif not resource.is_moving:
            resource.is_moving = True
            self._moving += 1
            nursery.start_soon(self._bring_in_line, resource)

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
            self._put_off.granted()
            resource.grant()
            return
        if not self.session.is_open:
            resource.refused = True  # until there is a session again, in which it is asked anew
            return
        self._put_off.refuse(resource, fault)

    async def _ask(self, method: str, uri: str) -> Reply:
        with trio.move_on_after(ANSWER_SECONDS):
            return await self.session.request(Call(method, uri, {"uri": Raw(encode(uri))}))
        return Reply.failed(faults.timed_out(uri, ANSWER_SECONDS, backend=self.backend))
