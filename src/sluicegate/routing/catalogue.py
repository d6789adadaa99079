"""What the gateway offers: the lists of all backends merged in the order of the configuration, encoded once, and the table behind them.

Every member of an item passes as the backend sent it, except its name or URI (CORE-22…25, P-25). A catalogue is never changed; when a
backend changes, a new one is built and put into the `sluicegate.routing.directory.Directory`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from ..protocol import faults
from ..protocol.calls import Caller, Handler, Reply
from ..protocol.messages import Params, Raw, encode, read_text
from ..protocol.names import Names, fitting, shorten
from ..protocol.offers import KINDS, TOOLS, Item, ListKind, Offer
from ..protocol.sizes import LONGEST_TOOL_NAME, WHOLE_LIST
from ..telling.loggers import get_logger
from .announced import NOTHING, Announced, announced, has_own_methods
from .inventory import Inventory
from .lengths import longest, too_long
from .pages import Pages, paged
from .remarks import Remark
from .results import with_mapped_links
from .routes import Namespace, Route, Table
from .views import views_of
from .visibility import Visibility

__all__ = ["Catalogue", "Entry", "build"]

_MOST_SHOWN = 100
"""Characters of a name that is too long."""

log = get_logger("sluicegate.routing")


@attrs.frozen(eq=False)
class Entry:
    """One backend as the catalogue sees it."""

    name: str
    namespace: str
    """Empty: its names are not prefixed."""
    handler: Handler
    visibility: Visibility = attrs.field(factory=Visibility)
    offer: Offer | None = None
    """What it offers; None while that is not known."""
    stand_ins: tuple[str, ...] = ()
    """Who answers for it, in order; the first one with an offer lends it while the entry has none."""
    starting: bool = False


@attrs.frozen(eq=False)
class Catalogue:
    """All that is offered at one moment."""

    pages: Mapping[str, Pages]
    """Per list method."""
    table: Table
    instructions: str
    offered: frozenset[str]
    """The capabilities that backends declare."""
    expecting: bool
    """More may come: a backend is starting, or nothing is known about any."""
    remarks: frozenset[Remark] = frozenset()
    announced: Announced = NOTHING
    """What is declared beside the lists."""

    def capabilities(self, era: str) -> bytes:
        """As clients of a revision are told, encoded; only what is offered.

        Tools are declared while more may come, since hardly a client gets along without them (LIM-9, P-86).
        """
        lists: dict[str, dict[str, bool]] = {name: {"listChanged": True} for name in _LISTED if self.declares(name)}
        others: dict[str, dict[str, bool]] = {name: {} for name in ("completions", "logging") if self.declares(name)}
        return encode(lists | others | self.announced.told_in(era))

    def declares(self, capability: str) -> bool:
        """Whether clients are told that there is such a thing."""
        return capability in self.offered or (self.expecting and capability == TOOLS.capability)

    def page(self, kind: ListKind, caller: Caller, cursor: str | None) -> Reply:
        """One page of a list, the first without a cursor. The same for every caller, until there are rules that tell them apart."""
        del caller
        if not self.declares(kind.capability):
            return Reply.failed(faults.unknown_method(kind.method))
        pages = self.pages[kind.method]
        if cursor is None:
            return pages.first
        page = pages.rest.get(cursor)
        return page or Reply.failed(faults.client_mistake("this cursor is not valid, or no longer; read the list from its beginning"))

    def names(self, kind: ListKind) -> Iterable[str]:
        """The names that clients see, in order: for people and tests."""
        return self.table.listed[kind.method].keys()

    def changes_from(self, old: Catalogue) -> set[ListKind]:
        """The lists that differ."""
        return {kind for kind in KINDS if not self.pages[kind.method].says_the_same(old.pages[kind.method])}


_LISTED = tuple(dict.fromkeys(kind.capability for kind in KINDS))


def build(
    entries: Sequence[Entry],
    *,
    separator: str,
    page_size: int = WHOLE_LIST,
    max_tool_name: int = LONGEST_TOOL_NAME,
    portable: bool = False,
    instructions: str | None = None,
) -> Catalogue:
    """Merge what the entries offer. ``page_size`` and ``max_tool_name`` of 0 mean no limit.

    ``portable`` makes names of tools and prompts of what every client takes.
    """
    namespaces = {
        entry.name: Namespace(entry.name, Names(entry.namespace, separator), entry.visibility, entry.handler) for entry in entries
    }
    offers = _offers(entries)
    merge = _Merge(namespaces, offers, max_tool_name, portable)
    pages = {kind.method: paged(kind, merge.list(kind), page_size) for kind in KINDS}
    told, remarks = announced((name, offer.hello) for name, offer in offers.items())
    shown = [entry for entry in entries if not entry.visibility.hidden]
    return Catalogue(
        pages,
        merge.table(),
        _instructions(shown, offers) if instructions is None else instructions,
        frozenset(name for offer in offers.values() for name in offer.hello.capabilities),
        not offers or any(entry.starting for entry in shown),
        remarks | merge.remarks,
        told,
    )


def _offers(entries: Sequence[Entry]) -> dict[str, Offer]:
    """What is shown under each entry's name: its own offer, or that of the first stand-in that has one (LIM-19)."""
    own = {entry.name: entry.offer for entry in entries}
    offers: dict[str, Offer] = {}
    for entry in entries:
        if not entry.visibility.hidden:
            offer = next((own[name] for name in (entry.name, *entry.stand_ins) if own.get(name) is not None), None)
            if offer is not None:
                offers[entry.name] = offer
    return offers


@attrs.define
class _Merge:
    """The lists in the making."""

    namespaces: Mapping[str, Namespace]
    offers: Mapping[str, Offer]
    max_tool_name: int
    portable: bool
    listed: dict[str, dict[str, Route]] = attrs.field(factory=dict)
    remarks: set[Remark] = attrs.field(factory=set)
    shown: dict[tuple[str, ListKind], set[str]] = attrs.field(factory=lambda: defaultdict(set))
    """What of a backend's items clients see, under its own names."""

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

    def list(self, kind: ListKind) -> Iterator[tuple[str, bytes]]:
        """Every visible item of a kind under its client-facing name."""
        routes = self.listed[kind.method] = {}
        for name, offer in self.offers.items():
            namespace = self.namespaces[name]
            self.remarks |= {Remark(flaw.what, flaw.kind, flaw.name, name) for flaw in offer.flaws.get(kind, ())}
            banned = namespace.visibility.banned(kind, offer.lists[kind])
            for item in offer.lists[kind]:
                if item.key in banned:
                    continue
                client = None if self._is_too_long(kind, item.key, name) else namespace.visibility.client_name(kind, item.key)
                if client is None:
                    continue
                full = self._fitting(kind, namespace.names.key_out(kind, client), name)
                if self._is_too_long(kind, full, name):
                    continue
                if full in routes:
                    self.remarks.add(Remark("a name is offered twice; the first stays", kind.name, full, name))
                    continue
                self.shown[name, kind].add(item.key)
                routes[full] = Route.through(namespace, item.key)
                yield full, encode(item.raw | _renamed(kind, item, full, namespace))

    def _is_too_long(self, kind: ListKind, name: str, backend: str) -> bool:
        """Whether nobody could ask for it; that is said once."""
        if not too_long(kind, name):
            return False
        self.remarks.add(Remark(f"a name of more than {longest(kind)} bytes is left out", kind.name, shorten(name, _MOST_SHOWN), backend))
        return True

    def _fitting(self, kind: ListKind, full: str, backend: str) -> str:
        if kind.key != "name":
            return full
        limit = self.max_tool_name if self.portable or kind is TOOLS else 0
        name = (fitting if self.portable else shorten)(full, limit)
        if name != full:
            why = "is too long" if limit and len(full) > limit else "has characters that clients refuse"
            self.remarks.add(Remark(f"a name {why}; it is listed as {name}", kind.name, full, backend))
        return name


def _renamed(kind: ListKind, item: Item, full: str, namespace: Namespace) -> Params:
    """The members of an item that clients see differently. Resources have a name beside their URI, and it is prefixed too (CORE-23)."""
    changed = {kind.key: Raw(encode(full))}
    if kind.key != "name":
        name = read_text(item.raw, "name") if namespace.names.prefix else None
        return changed if name is None else changed | {"name": Raw(encode(namespace.names.out(name)))}
    mapping = namespace.mapping
    meta = with_mapped_links(item.raw.get("_meta"), mapping) if kind is TOOLS and mapping is not None else None
    return changed if meta is None else changed | {"_meta": meta}


def _instructions(shown: Sequence[Entry], offers: Mapping[str, Offer]) -> str:
    """What the backends say about themselves, each under its namespace (CORE-30)."""
    own = [(entry.namespace or entry.name, offers[entry.name].hello.instructions) for entry in shown if entry.name in offers]
    first = f"MCP proxy aggregating {len(shown)} backend servers."
    return "\n\n".join([first, *(f"[{namespace}] {text}" for namespace, text in own if text)])
