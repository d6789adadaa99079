"""The immutable table that leads from what a client names to a backend and its own name for it."""

from __future__ import annotations

import re

import attrs
import msgspec

from ..protocol.calls import AtHand, Call, Handler, Reply, at_hand
from ..protocol.messages import Raw, encode
from ..protocol.names import Names
from ..protocol.offers import TOOLS, ListKind
from ..protocol.subscription import Watch
from .access.rights import Rights
from .inventory import Inventory
from .naming import NO_NAMING, Naming
from .results import Mapping
from .visibility import Visibility

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

__all__ = ["Ambiguous", "Hidden", "Namespace", "Route", "Table", "Views"]


@attrs.frozen(eq=False, repr=False)
class Namespace:
    """The way to one backend: its names and its chain."""

    backend: str
    names: Names
    visibility: Visibility
    handler: Handler
    watch: Watch | None = None
    """Has it say when a resource changes; None where nobody can."""
    inventory: Inventory | None = None
    """What it lists, where that says what may be asked for: it is filtered, and its lists are known."""
    naming: Naming = NO_NAMING
    """How its names look in lists."""
    rights: Rights | None = None
    """What those may use who are led this way; None is all that is there for clients."""
    has_tools: bool = True
    """Whether they may call any tool of its."""
    at_hand: AtHand | None = attrs.field(default=attrs.Factory(lambda self: at_hand(self.handler), takes_self=True), init=False)
    """What its chain would answer at once; None where it keeps nothing."""

    def local_name(self, kind: ListKind, client: str) -> str | None:
        """The backend's name of what a client names, without prefix, and in no list; None if it is not for clients."""
        local = self.visibility.local_name(kind, client)
        if local is None or (self.rights is not None and not self.rights.permits(kind, self, local)):
            return None
        if not self.visibility.filters(kind):
            return local
        if self.inventory is None:
            return None if self.visibility.judges(kind) else local
        return local if self.inventory.holds(kind, local) else None

    def denies(self, kind: ListKind, client: str) -> bool:
        """Whether a name, without prefix, is not for those who are led this way, whether or not there is such a thing."""
        local = self.visibility.original(kind, client)
        return self.rights is not None and not self.rights.permits(kind, self, client if local is None else local)

    @property
    def prefix(self) -> str:
        """What stands before its names; a URI has it in letters of its own."""
        return self.names.prefix

    def names_of(self, kind: ListKind, local: str) -> tuple[str, ...]:
        """All under which clients may know a tool or a prompt of its, or a URI: by its alias, by its own name, and as the list has it."""
        full = [self.names.key_out(kind, name) for name in (self.visibility.renamed(local), local)]
        return (*full, *(self.naming.listed(kind, name) for name in full))

    def own_uri(self, seen: str) -> str | None:
        """The backend's own form of a URI, or of a pattern for such, as clients see it; None where it is none of its, or has no scheme."""
        own = self.names.uris.back(seen) if self.names.prefix else None
        return own if own is not None and _SCHEME.match(own) else None

    @property
    def label(self) -> str:
        """What people know it by: its namespace, or its own name if it has none."""
        return self.names.namespace or self.backend

    @property
    def mapping(self) -> Mapping | None:
        """How its URIs look to clients; None if they look the same."""
        return self.outward if self.names.prefix or self.visibility.aliases else None

    def outward(self, uri: str) -> str:
        """A URI as clients know it, also where it is in no list."""
        return self.names.uris.out(self.visibility.renamed(uri))


async def _unreachable(call: Call) -> Reply:
    raise AssertionError(call.method)


NOWHERE = Namespace("", Names("", ""), Visibility(), _unreachable)
"""Whose names those are that belong to no backend."""


@attrs.frozen(eq=False, repr=False)
class Route:
    """Where a name leads. Made once for everything that is listed."""

    handler: Handler
    local: Raw
    """The backend's own name, encoded."""
    mapping: Mapping | None
    watch: Watch | None = None
    """Has the backend say when what has a name there changes."""
    at_hand: AtHand | None = None
    """What may answer at once."""
    origin: tuple[Namespace, str] | None = None
    """Whose it is, and what it is called there; None where it is nothing that has a name."""

    @classmethod
    def through(cls, namespace: Namespace, local: str) -> Route:
        """The route to something of a backend."""
        return cls(namespace.handler, Raw(encode(local)), namespace.mapping, namespace.watch, namespace.at_hand, (namespace, local))


class Hidden(msgspec.Struct, frozen=True):
    """A name that the configuration hides."""


HIDDEN = Hidden()


class Ambiguous(msgspec.Struct, frozen=True):
    """A name that views of several backends may mean."""

    backends: tuple[str, ...]


@attrs.frozen(eq=False, repr=False)
class Views:
    """A backend that shows views (MCP Apps). These know it alone, and so name what it has as it does."""

    namespace: Namespace
    inventory: Inventory
    """What it has that clients see."""
    not_theirs: frozenset[str]
    """Tools that are for the model alone."""

    def local_name(self, kind: ListKind, name: str) -> str | None:
        """What a view means, if it is one of this backend's."""
        if kind is TOOLS and name in self.not_theirs:
            return None
        namespace = self.namespace
        shown = self.inventory.holds(kind, name) and namespace.visibility.client_name(kind, name) is not None
        return name if shown and (namespace.rights is None or namespace.rights.permits(kind, namespace, name)) else None


@attrs.frozen(eq=False, repr=False)
class Table:
    """All routes at one moment."""

    listed: dict[str, dict[str, Route]]
    """Client-facing name to route, per list method."""
    namespaces: tuple[Namespace, ...]
    """Every backend, the one without a prefix last."""
    views: tuple[Views, ...] = ()
    """The backends that show views."""
    others: Namespace | None = None
    """The one backend that may have methods which the protocol does not know."""
    rights: Rights | None = None
    """What those may use who are led by it; None is all that there is."""
    keeps: bool = attrs.field(
        default=attrs.Factory(lambda self: any(one.at_hand is not None for one in self.namespaces), takes_self=True), init=False
    )
    """Whether any backend's answers are kept."""

    def denies(self, kind: ListKind, name: str) -> bool:
        """Whether a name is not for those who are led this way, whatever it leads to, if to anything; so it tells nobody what there is."""
        for namespace in self.namespaces:
            client = namespace.names.key_back(kind, name)
            if client is not None:
                return namespace.denies(kind, client)
        return self.rights is not None and not self.rights.permits(kind, NOWHERE, name)

    def find(self, kind: ListKind, name: str) -> Route | Hidden | Ambiguous | None:
        """What is listed under the name; else what its prefix leads to, since a backend's lists may be older than the backend.

        What has no prefix may come from a view, which knows none.
        """
        route = self.listed[kind.method].get(name)
        return route if route is not None else self._by_prefix(kind, name)

    def _by_prefix(self, kind: ListKind, name: str) -> Route | Hidden | Ambiguous | None:
        for namespace in self.namespaces:
            if not namespace.names.prefix and (route := self._by_view(kind, name)) is not None:
                return route
            client = namespace.names.key_back(kind, name)
            if client is not None:
                local = namespace.local_name(kind, client)
                return HIDDEN if local is None else Route.through(namespace, local)
        return self._by_view(kind, name)

    def _by_view(self, kind: ListKind, name: str) -> Route | Ambiguous | None:
        found = [(views.namespace, local) for views in self.views if (local := views.local_name(kind, name)) is not None]
        if len(found) > 1:
            return Ambiguous(tuple(namespace.backend for namespace, _local in found))
        return Route.through(*found[0]) if found else None
