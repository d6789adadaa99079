"""What one client is subscribed to, and what of it has changed since it was last told (P-68, P-113)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Caller
from ..protocol.faults import Cause, Fault
from ..protocol.messages import Params, Raw, encode, read_text
from ..protocol.offers import RESOURCES
from ..protocol.principal import Principal
from ..protocol.subscription import SUBSCRIBE, UPDATED, Subscription
from ..routing.directory import Directory
from ..routing.routes import Route
from ..routing.table import find_resource

__all__ = ["ANSWER_SECONDS", "MOST_EACH", "Subscribed", "Subscriptions"]

ANSWER_SECONDS = 30.0
"""How long a client waits for a backend to grant a subscription."""
MOST_EACH = 256
"""Subscriptions of one client."""
MOST_OF_ALL = 100_000
"""Of all clients together. Of these one owner may have as many as are left for all others: alone half of them."""
MOST_SAID = 2048
"""Bytes that a backend may say beside the URI, and that are kept until the client is told; of more nothing is."""


@attrs.define(eq=False, repr=False)
class Subscriptions:
    """Those of all clients of a gateway: how many there are, and where their resources are."""

    directory: Directory
    most_of_all: int = MOST_OF_ALL
    count: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)
    """By owner."""
    total: int = attrs.field(default=0, init=False)

    def place(self, caller: Caller, params: Params) -> Route | Fault:
        """Where the resource is that a client names."""
        return find_resource(self.directory.seen_by(caller), params)

    def knows(self, caller: Caller, uri: str) -> bool:
        """Whether a client may ask for that resource now."""
        return isinstance(self.place(caller, {RESOURCES.key: Raw(encode(uri))}), Route)

    def no_room(self, owner: tuple[str, str]) -> str:
        """Why one more of an owner is too many; empty where it is not."""
        mine = self.count[owner]
        share = self.most_of_all - self.total if any(owner) else self.most_of_all
        if self.total >= self.most_of_all or (mine and mine >= share):
            return f"you have {mine} subscriptions, and all clients together {self.total}; end some"
        return ""

    def change(self, owner: tuple[str, str], by: int) -> None:
        """So many more, or less."""
        self.total += by
        self.count[owner] += by
        if not self.count[owner]:
            del self.count[owner]


@attrs.define(eq=False, repr=False)
class Subscribed:
    """One for each client that ever subscribed; all but waiting is sync."""

    register: Subscriptions
    owner: tuple[str, str]
    """Whose client it is."""
    wake: Callable[[], None]
    """There is something to be told."""
    _held: dict[str, Subscription] = attrs.field(factory=dict, init=False)
    """By the URI as the client wrote it."""
    _changed: dict[str, Params] = attrs.field(factory=dict, init=False)
    """What is to be told: each URI once, with what was said of it last."""
    _principal: Principal | None = attrs.field(default=None, init=False)
    """Who its client has shown to be since; None is who he was when he subscribed."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def has_news(self) -> bool:
        """Whether there is something to be told."""
        return bool(self._changed)

    def take(self) -> list[tuple[str, Params]]:
        """The notifications that are due, and due no more."""
        changed, self._changed = self._changed, {}
        return [(UPDATED, params) for params in changed.values()]

    def begin(self, caller: Caller, uri: str, route: Route) -> Subscription | Fault:
        """Ask for a subscription; its answer is to be waited for. One that is there already is found again."""
        known = self._held.get(uri)
        if known is not None:
            return known
        why = f"this client has {len(self)} subscriptions; end some" if len(self) >= MOST_EACH else self.register.no_room(self.owner)
        if why or route.watch is None:
            return faults.overloaded(SUBSCRIBE, why) if why else faults.unknown_method(SUBSCRIBE)
        subscription = Subscription(
            caller,
            partial(self._hear, caller, uri, route),
            partial(self._drop, uri),
            partial(self._may_know, caller, uri),
        )
        self._held[uri] = subscription
        self.register.change(self.owner, 1)
        local = read_text({"uri": route.local}, "uri")
        assert local is not None  # a route's own encoding
        route.watch(local, subscription)
        return subscription

    def stop(self, uri: str) -> bool:
        """The client does not want to hear of it any more; False if it was not subscribed."""
        subscription = self._held.get(uri)
        if subscription is None:
            return False
        self._drop(uri)
        subscription.end()
        return True

    def end(self) -> None:
        """The client has gone."""
        for uri in list(self._held):
            self.stop(uri)

    def judge_by(self, principal: Principal) -> None:
        """What its client may do has changed: end what it could not ask for now."""
        self._principal = principal
        for subscription in list(self._held.values()):
            subscription.reconsider()

    def _may_know(self, caller: Caller, uri: str) -> bool:
        principal = self._principal
        return self.register.knows(caller if principal is None else attrs.evolve(caller, principal=principal), uri)

    def _drop(self, uri: str) -> None:
        if self._held.pop(uri, None) is not None:
            self._changed.pop(uri, None)
            self.register.change(self.owner, -1)

    def _hear(self, caller: Caller, uri: str, route: Route, changed: str, said: Params) -> None:
        """A resource has changed: the one that is subscribed to, under the name that the client has for it, or one below that it may know."""
        name = uri
        if bytes(route.local) != encode(changed):
            name = changed if route.mapping is None else route.mapping(changed)
            if not self._may_know(caller, name):
                return
        kept = said if sum(len(bytes(raw)) for raw in said.values()) <= MOST_SAID else {}
        if name not in self._changed and len(self._changed) >= MOST_EACH:
            name, kept = uri, {}  # too many below it to be told one by one
        self._changed[name] = {RESOURCES.key: Raw(encode(name))} | kept
        self.wake()

    async def subscribe(self, call: Call, route: Route) -> Fault | None:
        """Subscribe, and wait until the backend has said that it will tell; None if it will."""
        uri = call.target
        with trio.move_on_after(ANSWER_SECONDS):
            while True:
                is_first = uri not in self._held
                subscription = self.begin(call.caller, uri, route)
                if isinstance(subscription, Fault):
                    await trio.lowlevel.checkpoint()
                    return subscription
                try:
                    fault = await subscription.answer()
                finally:
                    if is_first and not subscription.granted and self._held.get(uri) is subscription:
                        self.stop(uri)  # nobody waits for the answer any more
                if fault is None or is_first or fault.cause is not Cause.CANCELLED:
                    return fault
        return faults.timed_out(uri, ANSWER_SECONDS)
