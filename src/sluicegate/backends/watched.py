"""What of one link's resources clients want to hear: each is asked of the backend once, however many they are (P-68, P-113).

Clients come and go in plain functions. What the backend has been told is brought in line with that by whoever keeps the link's session
(``subscribing``, ``modern/resource_streams``), so a client that leaves in the middle of it leaves nothing behind, and a session that begins
anew is told of all that is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import attrs

from ..protocol.faults import Fault, overloaded
from ..protocol.introduction import SUBSCRIPTION
from ..protocol.messages import Params, Raw, decode_object, encode, read_text
from ..protocol.sizes import LONGEST_URI, is_longer
from ..protocol.subscription import Subscription
from ..waiting.bell import Bell

__all__ = ["WatchedResource", "WatchedResources"]

MOST_WATCHED = 10_000
"""Resources of one link; each costs a request whenever its session begins anew."""
_ENDS = re.compile(r"[/?#]")
"""What ends a part of a URI, whose beginning may be a resource of its own."""
_MOST_PARTS = 64


@attrs.define(eq=False, repr=False)
class WatchedResource:
    """One resource, who wants to hear of it, and what the backend knows of that."""

    uri: str
    wanted_by: dict[Subscription, None] = attrs.field(factory=dict)
    held: bool = attrs.field(default=False, init=False)
    """The backend has granted it, in its present session."""
    refused: bool = attrs.field(default=False, init=False)
    """It has not; that is not asked again and again."""
    is_moving: bool = attrs.field(default=False, init=False)
    """The backend is being asked about it, and may hold it by the time it answers: so long it stays, also where nobody wants it."""

    @property
    def is_in_line(self) -> bool:
        """Whether there is nothing to be said to the backend."""
        return self.held is bool(self.wanted_by) or (self.refused and bool(self.wanted_by))

    def grant(self) -> None:
        """The backend will tell. Who was granted it before may have missed something, and is told so (P-65)."""
        self.held = True
        for subscription in list(self.wanted_by):
            if subscription.granted:
                subscription.tell(self.uri, {})
            else:
                subscription.grant()

    def refuse(self, fault: Fault) -> None:
        """The backend will not. Those who were granted it before stay, for it may be another day."""
        self.refused = True
        for subscription in [one for one in self.wanted_by if not one.granted]:
            subscription.refuse(fault)

    def forget(self) -> None:
        """A new session of the backend knows nothing of it."""
        self.held = self.refused = False


@attrs.define(eq=False, repr=False)
class WatchedResources:
    """All of them. Everything is sync but waiting, which the one who keeps the session does."""

    _all: dict[str, WatchedResource] = attrs.field(factory=dict, init=False)
    _due: dict[WatchedResource, None] = attrs.field(factory=dict, init=False)
    """Those of which the backend may have to be told something."""
    _bell: Bell = attrs.field(factory=Bell, init=False)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[WatchedResource]:
        return iter(list(self._all.values()))

    # -- the clients' side

    def add(self, uri: str, subscription: Subscription) -> None:
        """One more wants to hear of it."""
        resource = self._all.get(uri)
        if resource is None:
            if len(self._all) >= MOST_WATCHED:
                subscription.refuse(overloaded(uri, f"clients are subscribed to {MOST_WATCHED} resources of this backend already"))
                return
            resource = self._all[uri] = WatchedResource(uri)
        resource.wanted_by[subscription] = None
        subscription.on_over = partial(self._leave, resource, subscription)
        if resource.held:
            subscription.grant()
        else:
            resource.refused = False
            self.look_at(resource)

    def _leave(self, resource: WatchedResource, subscription: Subscription) -> None:
        resource.wanted_by.pop(subscription, None)
        if not resource.wanted_by:
            self.look_at(resource)

    def hand_over(self) -> list[tuple[str, Subscription]]:
        """All that is wanted, with the URIs: they are another link's from now on, and this backend is told that nobody wants them."""
        handed = [(resource.uri, subscription) for resource in self for subscription in resource.wanted_by]
        for resource in self:
            resource.wanted_by.clear()
            self.look_at(resource)
        return handed

    def reconsider(self) -> None:
        """The configuration has changed: some may not be known to clients any more."""
        for resource in self:
            for subscription in list(resource.wanted_by):
                subscription.reconsider()

    def lose(self, fault: Fault) -> None:
        """The link has ended for good."""
        for resource in self:
            for subscription in list(resource.wanted_by):
                subscription.refuse(fault)
        self.forget()

    # -- the backend's side

    def updated(self, params: Params) -> None:
        """The backend says that a resource has changed: one that was asked for or, as the protocol allows, one below; where it does not say which, any."""
        if not self._all:
            return
        uri = read_text(params, "uri")
        if uri is None:
            self._doubt()
            return
        if is_longer(uri, LONGEST_URI):  # nobody can read it, and each of its beginnings would be looked up
            return
        said = _without_hop(params)
        for name in _at_and_above(uri):
            resource = self._all.get(name)
            if resource is not None:  # also before the backend's answer was read, which it may have overtaken
                for subscription in list(resource.wanted_by):
                    subscription.tell(uri, said)

    def _doubt(self) -> None:
        """Something may have been missed, and nobody knows what."""
        for resource in self:
            if resource.held:
                resource.grant()

    def forget(self) -> None:
        """The backend knows nothing of what it was told, because its session has begun anew or has ended."""
        for resource in self:
            resource.forget()
            self.look_at(resource)

    def look_at(self, resource: WatchedResource) -> None:
        """Have whoever keeps the session look whether something is to be said; what nobody wants, and the backend knows nothing of, is gone."""
        if not (resource.wanted_by or resource.held or resource.is_moving):
            self._due.pop(resource, None)
            if self._all.get(resource.uri) is resource:
                del self._all[resource.uri]
        elif not resource.is_in_line:
            self._due[resource] = None
            self._bell.ring()

    def take_due(self) -> WatchedResource | None:
        """The next of which the backend has to be told something; None if there is none now."""
        while self._due:
            resource = next(iter(self._due))
            del self._due[resource]
            if not resource.is_in_line:
                return resource
        return None

    def ring(self) -> None:
        """Wake whoever keeps the session."""
        self._bell.ring()

    async def wait(self) -> None:
        """Wait until something may be due; for who keeps the session."""
        await self._bell.wait()


def _at_and_above(uri: str) -> Iterator[str]:
    """The URI, and what it begins with up to the end of one of its parts, that end included or not."""
    yield uri
    for number, end in enumerate(_ENDS.finditer(uri)):
        if number >= _MOST_PARTS:
            return
        yield uri[: end.start()]
        if end.end() < len(uri):
            yield uri[: end.end()]


def _without_hop(params: Params) -> Params:
    """What was said beside the URI, without what is between the backend and us alone."""
    said = {key: raw for key, raw in params.items() if key != "uri"}
    meta = decode_object(said["_meta"]) if "_meta" in said else {}
    if isinstance(meta, dict) and SUBSCRIPTION in meta:
        rest = {key: raw for key, raw in meta.items() if key != SUBSCRIPTION}
        said = {key: raw for key, raw in said.items() if key != "_meta"} | ({"_meta": Raw(encode(rest))} if rest else {})
    return said
