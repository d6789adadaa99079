"""The lists of all backends on their way into one, and the routes behind what they hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import attrs

from ..protocol.messages import Params, Raw, encode, read_text
from ..protocol.names import shorten
from ..protocol.offers import KINDS, TOOLS, Item, ListKind, Offer
from .announced import has_own_methods
from .inventory import Inventory
from .lengths import longest, too_long
from .naming import Naming
from .remarks import Remark
from .results import with_mapped_links
from .routes import Namespace, Route, Table
from .search.findable import NOTHING_FINDABLE, Exposure, FindableTools
from .shaping.input_schemas import CannotReshape, in_shape
from .views import views_of

__all__ = ["Merge"]

_MOST_SHOWN = 100
"""Characters of a name that is too long."""


@attrs.define(repr=False)
class Merge:
    """The lists in the making."""

    namespaces: Mapping[str, Namespace]
    offers: Mapping[str, Offer]
    naming: Naming
    own_tools: Mapping[str, bytes] = attrs.field(factory=dict)
    """Tools of the gateway's own, by name, each as an entry of the list."""
    exposure: Exposure | None = None
    """What of all tools stands in the list; None if all do, and none can be searched for."""
    findable: FindableTools = NOTHING_FINDABLE
    listed: dict[str, dict[str, Route]] = attrs.field(factory=dict)
    remarks: set[Remark] = attrs.field(factory=set)
    shown: dict[tuple[str, ListKind], set[str]] = attrs.field(factory=lambda: defaultdict(set))
    """What of a backend's items clients see, under its own names."""
    _servers: dict[str, str] = attrs.field(factory=dict)
    """By the client-facing name of a tool, what its backend is called in front of names."""

    def table(self) -> Table:
        """All routes, once all lists were merged."""
        namespaces = map(self._with_inventory, self.namespaces.values())
        others = [name for name, offer in self.offers.items() if has_own_methods(offer.hello)]
        return Table(
            self.listed,
            tuple(sorted(namespaces, key=lambda namespace: -len(namespace.names.prefix))),
            tuple(view for name, offer in self.offers.items() if (view := views_of(self.namespaces[name], offer, self._shown(name)))),
            self.namespaces[others[0]] if len(others) == 1 else None,
        )

    def _shown(self, name: str) -> dict[ListKind, set[str]]:
        return {kind: self.shown[name, kind] for kind in KINDS}

    def _with_inventory(self, namespace: Namespace) -> Namespace:
        """A namespace that knows what its backend lists, where that matters."""
        offer = self.offers.get(namespace.backend)
        if offer is None or not any(map(namespace.visibility.filters, KINDS)):
            return namespace
        return attrs.evolve(namespace, inventory=Inventory.of(offer, self._shown(namespace.backend), namespace.visibility))

    def tools(self) -> Iterator[tuple[str, bytes]]:
        """Those that stand in the list; the others can be found, as these can."""
        exposure = self.exposure
        if exposure is None:
            yield from self.list(TOOLS)
            return
        prefixes = {namespace.label: namespace.names.prefix for namespace in self.namespaces.values()}
        self.findable = FindableTools(prefixes=prefixes)
        for name, data in self.list(TOOLS):
            self.findable.put(name, self._servers.get(name, ""), data)
            if exposure.is_listed is None or exposure.is_listed(name):
                yield name, data
        yield from exposure.own.items()

    def list(self, kind: ListKind) -> Iterator[tuple[str, bytes]]:
        """Every visible item of a kind under its client-facing name."""
        routes = self.listed[kind.method] = {}
        for name, offer in self.offers.items():
            namespace = self.namespaces[name]
            self.remarks |= {Remark(flaw.what, flaw.kind, flaw.name, name) for flaw in offer.flaws.get(kind, ())}
            if kind is TOOLS:
                listed = {item.key for item in offer.lists[kind]}
                self.remarks |= {_unlisted(tool, name) for tool in namespace.visibility.shaping.tools.keys() - listed}
            banned = namespace.visibility.banned(kind, offer.lists[kind])
            for item in offer.lists[kind]:
                unseen = item.key in banned or self._is_too_long(kind, item.key, name)
                client = None if unseen else namespace.visibility.client_name(kind, item.key)
                shown = None if client is None else self._in_shape(kind, item, namespace)
                if client is None or shown is None:
                    continue
                full = self._fitting(kind, namespace.names.key_out(kind, client), name)
                if self._is_too_long(kind, full, name):
                    continue
                if kind is TOOLS and (full in self.own_tools or (self.exposure is not None and full in self.exposure.own)):
                    self.remarks.add(Remark("a tool of the gateway's own takes the place of one of a backend", kind.name, full, name))
                    continue
                if full in routes:
                    self.remarks.add(Remark("a name is offered twice; the first stays", kind.name, full, name))
                    continue
                self.shown[name, kind].add(item.key)
                if kind is TOOLS and self.exposure is not None:
                    self._servers[full] = namespace.label
                routes[full] = Route.through(namespace, item.key)
                yield full, encode(shown | _renamed(kind, item, full, namespace))
        if kind is TOOLS:
            yield from self.own_tools.items()

    def _in_shape(self, kind: ListKind, item: Item, namespace: Namespace) -> Params | None:
        """An item under the rules for its parameters; None where it cannot be shown under them, which is better than to show what is hidden."""
        shape = namespace.visibility.shaping.of(item.key) if kind is TOOLS else None
        if shape is None:
            return item.raw
        try:
            return in_shape(item.raw, shape)
        except CannotReshape as why:
            what = f"a tool cannot be shown under its rules, and is left out: {why}"
            self.remarks.add(Remark(what, kind.name, item.key, namespace.backend, is_mistake=True))
            return None

    def _is_too_long(self, kind: ListKind, name: str, backend: str) -> bool:
        """Whether nobody could ask for it; that is said once."""
        if not too_long(kind, name):
            return False
        self.remarks.add(Remark(f"a name of more than {longest(kind)} bytes is left out", kind.name, shorten(name, _MOST_SHOWN), backend))
        return True

    def _fitting(self, kind: ListKind, full: str, backend: str) -> str:
        name = self.naming.listed(kind, full)
        if name != full:
            limit = self.naming.limit(kind)
            why = "is too long" if limit and len(full) > limit else "has characters that clients refuse"
            self.remarks.add(Remark(f"a name {why}; it is listed as {name}", kind.name, full, backend))
        return name


def _unlisted(tool: str, backend: str) -> Remark:
    return Remark("there are rules for a tool that is not listed", TOOLS.name, tool, backend, is_mistake=True)


def _renamed(kind: ListKind, item: Item, full: str, namespace: Namespace) -> Params:
    """The members of an item that clients see differently. Resources have a name beside their URI, and it is prefixed too (CORE-23)."""
    changed = {kind.key: Raw(encode(full))}
    if kind.key != "name":
        name = read_text(item.raw, "name") if namespace.names.prefix else None
        return changed if name is None else changed | {"name": Raw(encode(namespace.names.out(name)))}
    mapping = namespace.mapping
    meta = with_mapped_links(item.raw.get("_meta"), mapping) if kind is TOOLS and mapping is not None else None
    return changed if meta is None else changed | {"_meta": meta}
