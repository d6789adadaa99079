"""The immutable table that leads from what a client names to a backend and its own name for it."""

from __future__ import annotations

import attrs

from ..protocol.calls import Handler
from ..protocol.messages import Raw, encode
from ..protocol.names import Names
from ..protocol.offers import ListKind
from .inventory import Inventory
from .results import Mapping
from .visibility import Visibility

__all__ = ["Hidden", "Namespace", "Route", "Table"]


@attrs.frozen(eq=False)
class Namespace:
    """The way to one backend: its names and its chain."""

    backend: str
    names: Names
    visibility: Visibility
    handler: Handler
    inventory: Inventory | None = None
    """What it lists, where that says what may be asked for: it is filtered, and its lists are known."""

    def local_name(self, kind: ListKind, client: str) -> str | None:
        """The backend's name of what a client names, without prefix, and in no list; None if it is not for clients."""
        local = self.visibility.local_name(kind, client)
        if local is None or not self.visibility.filters(kind):
            return local
        if self.inventory is None:
            return None if self.visibility.judges(kind) else local
        return local if self.inventory.holds(kind, local) else None

    @property
    def mapping(self) -> Mapping | None:
        """How its URIs look to clients; None if they look the same."""
        return self.outward if self.names.prefix or self.visibility.aliases else None

    def outward(self, uri: str) -> str:
        """A URI as clients know it, also where it is in no list."""
        return self.names.uris.out(self.visibility.renamed(uri))


@attrs.frozen(eq=False)
class Route:
    """Where a name leads. Made once for everything that is listed."""

    handler: Handler
    local: Raw
    """The backend's own name, encoded."""
    mapping: Mapping | None

    @classmethod
    def through(cls, namespace: Namespace, local: str) -> Route:
        """The route to something of a backend."""
        return cls(namespace.handler, Raw(encode(local)), namespace.mapping)


@attrs.frozen
class Hidden:
    """A name that the configuration hides."""


HIDDEN = Hidden()


@attrs.frozen(eq=False)
class Table:
    """All routes at one moment."""

    listed: dict[str, dict[str, Route]]
    """Client-facing name to route, per list method."""
    namespaces: tuple[Namespace, ...]
    """Every backend, the one without a prefix last."""

    def find(self, kind: ListKind, name: str) -> Route | Hidden | None:
        """What is listed under the name; else what its prefix leads to, since a backend's lists may be older than the backend."""
        route = self.listed[kind.method].get(name)
        return route if route is not None else self._by_prefix(kind, name)

    def _by_prefix(self, kind: ListKind, name: str) -> Route | Hidden | None:
        for namespace in self.namespaces:
            client = namespace.names.key_back(kind, name)
            if client is not None:
                local = namespace.local_name(kind, client)
                return HIDDEN if local is None else Route.through(namespace, local)
        return None
