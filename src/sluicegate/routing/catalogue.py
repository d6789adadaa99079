"""What the gateway offers: the lists of all backends merged in the order of the configuration, encoded once, and the table behind them.

Every member of an item passes as the backend sent it, except its name or URI (CORE-22…25, P-25). A catalogue is never changed; when a
backend changes, a new one is built and put into the `sluicegate.routing.directory.Directory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from ..protocol import faults
from ..protocol.calls import Caller, Handler, Reply
from ..protocol.messages import encode
from ..protocol.names import Names
from ..protocol.offers import KINDS, TOOLS, ListKind, Offer
from ..protocol.sizes import LONGEST_TOOL_NAME, WHOLE_LIST
from ..protocol.subscription import SUBSCRIBE, Watch, declared_by
from .announced import NOTHING, Announced, announced
from .composites.composite import Composite
from .merging import Merge
from .pages import Pages, paged
from .remarks import Remark
from .routes import Namespace, Table
from .search.findable import NOTHING_FINDABLE, Exposure, FindableTools
from .visibility import Visibility

__all__ = ["Catalogue", "Entry", "build"]


@attrs.frozen(eq=False, repr=False)
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
    watch: Watch | None = None
    """Has it say when a resource changes; None where nobody can."""
    headers: frozenset[str] = frozenset()
    """Those of requests that its tools are given, in lower case."""


@attrs.frozen(eq=False, repr=False)
class Catalogue:
    """All that is offered at one moment."""

    pages: Mapping[str, Pages]
    """Per list method."""
    table: Table
    instructions: str
    offered: frozenset[str]
    """The capabilities that backends declare, and ``resources/subscribe`` where one of them says when a resource changes."""
    expecting: bool
    """More may come: a backend is starting, or nothing is known about any."""
    remarks: frozenset[Remark] = frozenset()
    announced: Announced = NOTHING
    """What is declared beside the lists."""
    findable: FindableTools = NOTHING_FINDABLE
    """The tools that can be found by searching, where that is wanted."""
    headers: tuple[bytes, ...] = ()
    """Those of requests that tools are given, in lower case; nothing else of them is looked at."""

    def capabilities(self, era: str) -> bytes:
        """As clients of a revision are told, encoded; only what is offered.

        Tools are declared while more may come, since hardly a client gets along without them (LIM-9, P-86).
        """
        lists: dict[str, dict[str, bool]] = {name: {"listChanged": True} for name in _LISTED if self.declares(name)}
        if self.declares(SUBSCRIBE):
            lists["resources"]["subscribe"] = True
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
    composites: Sequence[Composite] = (),
    exposure: Exposure | None = None,
) -> Catalogue:
    """Merge what the entries offer. ``page_size`` and ``max_tool_name`` of 0 mean no limit.

    ``portable`` makes names of tools and prompts of what every client takes. Composite tools come last, and take the place of whatever has their
    names; behind them are those that find others, if there is an ``exposure``.
    """
    namespaces = {
        entry.name: Namespace(entry.name, Names(entry.namespace, separator), entry.visibility, entry.handler, entry.watch)
        for entry in entries
    }
    offers = _offers(entries)
    merge = Merge(namespaces, offers, max_tool_name, portable, {composite.name: composite.listed() for composite in composites}, exposure)
    pages = {kind.method: paged(kind, merge.tools() if kind is TOOLS else merge.list(kind), page_size) for kind in KINDS}
    told, remarks = announced((name, offer.hello) for name, offer in offers.items())
    shown = [entry for entry in entries if not entry.visibility.hidden]
    return Catalogue(
        pages,
        merge.table(),
        _instructions(shown, offers) if instructions is None else instructions,
        frozenset(name for offer in offers.values() for name in declared_by(offer.hello))
        | ({TOOLS.capability} if composites or exposure is not None else set()),
        not offers or any(entry.starting for entry in shown),
        remarks | merge.remarks,
        told,
        merge.findable,
        tuple(sorted({name.encode() for entry in entries for name in entry.headers})),
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


def _instructions(shown: Sequence[Entry], offers: Mapping[str, Offer]) -> str:
    """What the backends say about themselves, each under its namespace (CORE-30)."""
    own = [(entry.namespace or entry.name, offers[entry.name].hello.instructions) for entry in shown if entry.name in offers]
    first = f"MCP proxy aggregating {len(shown)} backend servers."
    return "\n\n".join([first, *(f"[{namespace}] {text}" for namespace, text in own if text)])
