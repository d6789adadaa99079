"""What the gateway offers: the lists of all backends merged in the order of the configuration, encoded once, and the table behind them.

Every member of an item passes as the backend sent it, except its name or URI (CORE-22…25, P-25). A catalogue is never changed; when a
backend changes, a new one is built and put into the `sluicegate.routing.directory.Directory`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from ..protocol import faults
from ..protocol.calls import Caller, Handler, Reply
from ..protocol.fault import Fault
from ..protocol.messages import encode
from ..protocol.names import Names
from ..protocol.offers import KINDS, TOOLS, ListKind, Offer
from ..protocol.sizes import LONGEST_TOOL_NAME, WHOLE_LIST
from ..protocol.subscription import SUBSCRIBE, Watch, declared_by
from .access.rights import Rights
from .announced import NOTHING, Announced, announced
from .composites.composite import Composite
from .merging import Merge
from .naming import Naming
from .pages import Pages, paged
from .remarks import Remark
from .routes import Namespace, Table
from .search.findable import NOTHING_FINDABLE, Exposure, FindableTools
from .visibility import Visibility

__all__ = ["Catalogue", "Entry", "build", "instructions_of"]


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
    introductions: Mapping[str, str] | None = None
    """What the instructions are made of: what each backend says of itself; None where they are the operator's words."""
    finders: frozenset[str] = frozenset()
    """The tools by which others are found."""
    rights: Rights | None = None
    """What those may use for whom it is; None is all that there is."""
    whole: Catalogue | None = None
    """Of what it is a part; None where it is the whole."""
    narrowed: dict[frozenset[str], Catalogue] = attrs.field(factory=dict, init=False)
    """What is left of it for whom, by roles (`access.rule_book`)."""

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

    def permits_own(self, name: str) -> bool:
        """Whether a tool of the gateway's own may be used; those that find others show nobody more than he may see."""
        return self.rights is None or self.rights.permits_own(name, unless_denied=name in self.finders)

    def refusal(self, kind: ListKind, name: str) -> Fault | None:
        """What is said of a name that is not for these callers, whether or not it leads to something; None of any other."""
        rights = self.rights
        return rights.refusal(kind, name) if rights is not None and self.table.denies(kind, name) else None

    def page(self, kind: ListKind, caller: Caller, cursor: str | None) -> Reply:
        """One page of a list, the first without a cursor. Who calls makes no difference here: where it does there is another catalogue."""
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


def build(  # noqa: PLR0913  what the configuration says of lists, each with a default
    entries: Sequence[Entry],
    *,
    separator: str,
    page_size: int = WHOLE_LIST,
    max_tool_name: int = LONGEST_TOOL_NAME,
    portable: bool = False,
    instructions: str | None = None,
    composites: Sequence[Composite] = (),
    exposure: Exposure | None = None,
    keeps_entries: bool = False,
) -> Catalogue:
    """Merge what the entries offer. ``page_size`` and ``max_tool_name`` of 0 mean no limit.

    ``portable`` makes names of tools and prompts of what every client takes. Composite tools come last, and take the place of whatever has their
    names; behind them are those that find others, if there is an ``exposure``. ``keeps_entries``: parts of the lists will be wanted, too.
    """
    naming = Naming(max_tool_name, portable)
    namespaces = {
        entry.name: Namespace(entry.name, Names(entry.namespace, separator), entry.visibility, entry.handler, entry.watch, naming=naming)
        for entry in entries
    }
    offers = _offers(entries)
    merge = Merge(namespaces, offers, naming, {composite.name: composite.listed() for composite in composites}, exposure)
    lists = {kind: merge.tools() if kind is TOOLS else merge.list(kind) for kind in KINDS}
    pages = {kind.method: paged(kind, items, page_size, keeps_entries=keeps_entries) for kind, items in lists.items()}
    told, remarks = announced((name, offer.hello) for name, offer in offers.items())
    shown = [entry for entry in entries if not entry.visibility.hidden]
    introductions = _introductions(shown, offers) if instructions is None else None
    return Catalogue(
        pages,
        merge.table(),
        instructions or "" if introductions is None else instructions_of(introductions),
        frozenset(name for offer in offers.values() for name in declared_by(offer.hello))
        | ({TOOLS.capability} if composites or exposure is not None else set()),
        not offers or any(entry.starting for entry in shown),
        remarks | merge.remarks,
        told,
        merge.findable,
        tuple(sorted({name.encode() for entry in entries for name in entry.headers})),
        introductions,
        frozenset() if exposure is None else frozenset(exposure.own),
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


def _introductions(shown: Sequence[Entry], offers: Mapping[str, Offer]) -> dict[str, str]:
    """What the backends say about themselves, each under its namespace."""
    return {entry.name: _introduced(entry, offers) for entry in shown}


def _introduced(entry: Entry, offers: Mapping[str, Offer]) -> str:
    text = offers[entry.name].hello.instructions if entry.name in offers else ""
    return f"[{entry.namespace or entry.name}] {text}" if text else ""


def instructions_of(introductions: Mapping[str, str]) -> str:
    """What clients are told of these backends (CORE-30)."""
    return "\n\n".join([f"MCP proxy aggregating {len(introductions)} backend servers.", *filter(None, introductions.values())])
