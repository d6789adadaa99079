"""Where the catalogue of the moment is found, and who is told when another takes its place."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..loggers import get_logger
from ..protocol.calls import Caller
from ..protocol.offers import ListKind
from .catalogue import Catalogue, build

__all__ = ["Directory"]

log = get_logger("sluicegate.routing")


@attrs.define(eq=False)
class Directory:
    """Holds the catalogue of the moment and tells who listens when a list has changed."""

    current: Catalogue = attrs.field(factory=lambda: build((), separator=""))
    _listeners: dict[object, Callable[[frozenset[str]], None]] = attrs.field(factory=dict, init=False)

    def seen_by(self, caller: Caller) -> Catalogue:
        """What is there for a caller: the same for every one, until there are rules, or backends, that tell them apart."""
        del caller
        return self.current

    def subscribe(self, listener: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call ``listener`` with the methods of the ``list_changed`` notifications that are due; the result ends that.

        Listeners are called at once and in the task that replaced the catalogue, so they must not block.
        """
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def replace(self, catalogue: Catalogue) -> set[ListKind]:
        """Put a catalogue in the place of the old one; returns the lists that differ.

        What was ever declared stays declared: a client that was told of prompts gets an empty list when they are gone, not an error.
        """
        old = self.current
        for remark in sorted(catalogue.remarks - old.remarks, key=attrs.astuple):
            log.warning(remark.what, kind=remark.kind, item=remark.name, backend=remark.backend)
        self.current = attrs.evolve(catalogue, offered=catalogue.offered | old.offered)
        changed = self.current.changes_from(old)
        if changed:
            methods = frozenset(kind.changed for kind in changed)
            for listener in list(self._listeners.values()):
                listener(methods)
        return changed
