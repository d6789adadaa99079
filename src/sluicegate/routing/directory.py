"""Where the catalogue of the moment is found, and who is told when another takes its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from ..protocol.calls import Caller
from ..protocol.offers import ListKind
from ..telling.loggers import get_logger
from .catalogue import Catalogue, build

__all__ = ["Directory", "ListChange"]

log = get_logger("sluicegate.routing")


@attrs.frozen
class ListChange:
    """Lists have changed; which ones depends on who is offered what."""

    methods: frozenset[str]
    """Of the ``list_changed`` notifications that are due to those who see what all see."""
    apart: Mapping[str, frozenset[str]] = attrs.field(factory=dict)
    """Of those that are due to others, by `Caller.abilities`."""

    def told_to(self, caller: Caller) -> frozenset[str]:
        """Of those that are due to this caller."""
        return self.apart.get(caller.abilities, self.methods) if self.apart else self.methods


@attrs.define(eq=False, repr=False)
class Directory:
    """Holds the catalogue of the moment and tells who listens when a list has changed.

    Where backends have sessions with single clients there may be more than one: what a server offers can depend on what it may ask.
    """

    current: Catalogue = attrs.field(factory=lambda: build((), separator=""))
    """For all who are offered nothing else."""
    _apart: Mapping[str, Catalogue] = attrs.field(factory=dict, init=False)
    """For those who are, by `Caller.abilities`."""
    _readers: set[str] = attrs.field(factory=set, init=False)
    """The abilities of those who have read a list."""
    _listeners: dict[object, Callable[[ListChange], None]] = attrs.field(factory=dict, init=False)
    _followers: dict[object, Callable[[], None]] = attrs.field(factory=dict, init=False)

    @property
    def catalogues(self) -> tuple[Catalogue, ...]:
        """All that somebody may see now."""
        return (self.current, *self._apart.values())

    def seen_by(self, caller: Caller) -> Catalogue:
        """What is there for a caller."""
        return self._apart.get(caller.abilities, self.current) if self._apart else self.current

    def read_by(self, caller: Caller) -> Catalogue:
        """The same, for a caller who reads a list, and so has to hear when it changes."""
        self._readers.add(caller.abilities)
        return self.seen_by(caller)

    def subscribe(self, listener: Callable[[ListChange], None]) -> Callable[[], None]:
        """Have ``listener`` called when lists have changed; the result ends that.

        Listeners are called at once and in the task that replaced the catalogue, so they must not block.
        """
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def follow(self, follower: Callable[[], None]) -> Callable[[], None]:
        """The same for every catalogue that takes the place of another, whether or not a list differs: names that are in no list may."""
        key = object()
        self._followers[key] = follower
        return lambda: self._followers.pop(key, None) and None

    def replace(self, catalogue: Catalogue, apart: Mapping[str, Catalogue] | None = None) -> set[ListKind]:
        """Put a catalogue in the place of the old one, and others in the place of those for who is offered something else.

        What was ever declared stays declared: a client that was told of prompts gets an empty list when they are gone, not an error.

        Returns:
            The lists that differ for those who see what all see.
        """
        old, before = self.current, self._apart
        for remark in sorted(catalogue.remarks - old.remarks, key=attrs.astuple):
            log.warning(remark.what, kind=remark.kind, item=remark.name, backend=remark.backend)
        self.current = attrs.evolve(catalogue, offered=catalogue.offered | old.offered)
        self._apart = {key: attrs.evolve(one, offered=one.offered | before.get(key, old).offered) for key, one in (apart or {}).items()}
        changed = self.current.changes_from(old)
        told = {
            key: _methods(self._apart.get(key, self.current).changes_from(before.get(key, old)))
            if key in self._readers
            else frozenset[str]()
            for key in before.keys() | self._apart.keys()
        }
        for follower in list(self._followers.values()):
            follower()
        if changed or any(told.values()):
            change = ListChange(_methods(changed), told)
            for listener in list(self._listeners.values()):
                listener(change)
        return changed


def _methods(kinds: Iterable[ListKind]) -> frozenset[str]:
    return frozenset(kind.changed for kind in kinds)
