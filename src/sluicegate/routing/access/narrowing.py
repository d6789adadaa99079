"""What of a catalogue is left for those with certain rights: it is a catalogue, too, so whatever looks into it sees what they may see."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...protocol.offers import KINDS, TOOLS, ListKind
from ..catalogue import Catalogue, instructions_of
from ..pages import Pages
from ..routes import Namespace, Route, Table
from .rights import Rights

__all__ = ["narrowed"]


def narrowed(whole: Catalogue, rights: Rights) -> Catalogue:
    """The part of it that they may use."""
    listed = {kind.method: _listed(kind, whole.table, rights) for kind in KINDS}
    tables = _table(whole.table, rights, listed)
    pages = {kind.method: _pages(kind, whole, listed[kind.method], rights) for kind in KINDS}
    introductions = whole.introductions
    if introductions is not None:
        named = {route.origin[0].backend for routes in listed.values() for route in routes.values() if route.origin is not None}
        introductions = {name: text for name, text in introductions.items() if name in named}
    return attrs.evolve(
        whole,
        pages=pages,
        table=tables,
        findable=whole.findable.of(lambda name: name in listed[TOOLS.method] or _is_own(name, whole, rights)),
        introductions=introductions,
        instructions=whole.instructions if introductions is None else instructions_of(introductions),
        rights=rights,
        whole=whole,
    )


def _listed(kind: ListKind, table: Table, rights: Rights) -> dict[str, Route]:
    routes = table.listed[kind.method].items()
    return {name: route for name, route in routes if route.origin is None or rights.permits_listed(kind, *route.origin, name)}


def _table(table: Table, rights: Rights, listed: dict[str, dict[str, Route]]) -> Table:
    callable_ = {route.origin[0].backend for route in listed[TOOLS.method].values() if route.origin is not None}
    named: dict[str, Namespace] = {
        one.backend: attrs.evolve(one, rights=rights, has_tools=one.backend in callable_) for one in table.namespaces
    }
    return Table(
        listed,
        tuple(named.values()),
        tuple(attrs.evolve(views, namespace=named[views.namespace.backend]) for views in table.views),
        None if rights.names_what_it_allows else table.others,  # a method has no name that could be in a list
        rights,
    )


def _pages(kind: ListKind, whole: Catalogue, listed: Mapping[str, Route], rights: Rights) -> Pages:
    pages = whole.pages[kind.method]
    names = {name for name, _entry in pages.entries if name in listed or (kind is TOOLS and _is_own(name, whole, rights))}
    return pages.of(kind, names)


def _is_own(name: str, whole: Catalogue, rights: Rights) -> bool:
    """Whether it is a tool of the gateway's own that they may use."""
    return name not in whole.table.listed[TOOLS.method] and rights.permits_own(name, unless_denied=name in whole.finders)
