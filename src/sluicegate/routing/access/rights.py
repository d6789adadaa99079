"""What those may see and use who have certain roles together: the union of what these allow, but for what any of them denies (RBAC-2, RBAC-5).

Something can be known by several names: with its prefix, shortened, by its alias, a URI in many spellings. It is allowed where one of its names
is, and denied where one is, whichever of them somebody has used. Whether it exists makes no difference to what is said of a name that is denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import attrs

from ...protocol.fault import Fault
from ...protocol.offers import PROMPTS, RESOURCES, TOOLS, ListKind
from ..filter_rules import Lists, in_both_forms
from ..patterns import Pattern
from ..spellings import has_no_host, readings, served_by
from .denied import no_role, not_permitted
from .role import CAPABILITIES, Role

__all__ = ["Namer", "Rights"]

_MOST_REMEMBERED = 65_536
"""Decisions on what backends list; each is made once, as long as it is listed under that name."""
_DOES = {TOOLS.name: "call", RESOURCES.name: "read", PROMPTS.name: "get"}


class Namer(Protocol):
    """A backend, as far as its names go."""

    @property
    def backend(self) -> str:
        """What it is called."""
        ...

    @property
    def prefix(self) -> str:
        """What stands before its names."""
        ...

    def names_of(self, kind: ListKind, local: str) -> tuple[str, ...]:
        """All under which clients may know a tool or a prompt of its, or a URI."""
        ...

    def own_uri(self, seen: str) -> str | None:
        """The backend's own form of a URI, or of a pattern for such, as clients see it; None where it is none of its."""
        ...


@attrs.define(eq=False, repr=False)
class Rights:
    """Made once for each set of roles that somebody has."""

    roles: tuple[Role, ...]
    """In the order of the file."""
    _lists: dict[str, Lists | None] = attrs.field(factory=dict, init=False)
    """By capability, over names, or URIs as they stand; None where there is nothing for them."""
    _uris: dict[str, Lists] = attrs.field(factory=dict, init=False)
    """By prefix, over URIs of one backend."""
    _known: dict[tuple[str, str, str, str, str], bool] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        for capability in CAPABILITIES:
            given = [role.allows(capability) for role in self.roles]
            allowed = None if None in given else [pattern for patterns in given for pattern in patterns or ()]
            closed = allowed is not None and not allowed
            self._lists[capability] = None if closed else Lists.of(allowed or (), self._denied(capability))

    def _denied(self, capability: str) -> list[Pattern]:
        return [pattern for role in self.roles for pattern in role.deny.get(capability, ())]

    @property
    def names_what_it_allows(self) -> bool:
        """Whether what has no name that could be in a list is not for these callers."""
        return all(role.only_denies or role.names_what_it_allows for role in self.roles)

    @property
    def gives_nothing(self) -> bool:
        """Whether every request is refused: there is no role at all (RBAC-4)."""
        return all(role.only_denies for role in self.roles)

    @property
    def reads_pages(self) -> bool:
        """Whether the gateway's own pages may be read."""
        return any(role.reads_pages for role in self.roles)

    def permits_listed(self, kind: ListKind, origin: Namer, local: str, listed: str) -> bool:
        """Whether something may be seen that a backend lists, and clients know as ``listed``."""
        key = kind.method, origin.backend, origin.prefix, local, listed
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[key] = self.permits(kind, origin, local, asked=False)
        return known

    def permits(self, kind: ListKind, origin: Namer, local: str, *, asked: bool = True) -> bool:
        """Whether something of a backend may be seen, or, where a client has ``asked`` for it in a spelling of its own, be used."""
        lists = self._lists[kind.capability]
        if lists is None or not lists.any:
            return lists is not None
        if kind.key == "name":
            return lists.pass_names(frozenset(origin.names_of(kind, local)))
        return self._permits_uri(kind, origin, local, asked=asked)

    def permits_own(self, name: str, *, unless_denied: bool = False) -> bool:
        """Whether a tool of the gateway's own may be used; one that shows nobody more than he may see need not be allowed."""
        lists = self._lists[TOOLS.capability]
        if lists is None:
            return False
        return not lists.hides(name) if unless_denied else lists.pass_names((name,))

    def refusal(self, kind: ListKind, name: str) -> Fault:
        """What its caller is told of something that he may not use (AUTH-4, RBAC-4, RBAC-6)."""
        if self.gives_nothing:
            return no_role()
        named = [f"'{role.name}'" for role in self.roles]
        roles = f"Role {named[0]} is" if len(named) == 1 else f"Roles {', '.join(named)} are"
        who = "Token is" if any(role.is_token for role in self.roles) else roles
        return not_permitted(who, f"{_DOES.get(kind.name, 'read')} {kind.name}", name)

    def _permits_uri(self, kind: ListKind, origin: Namer, local: str, *, asked: bool) -> bool:
        """All that a server may make of a URI has to be allowed, and none of it denied (see `spellings`)."""
        read = readings(local)
        if read is None or (asked and any(map(has_no_host, read))):
            return False
        lists = self._over_uris_of(origin)
        served = dict.fromkeys((local, *(form for reading in read for form in served_by(reading))))
        seen = _and_as_seen(kind, origin, served)
        views = [_and_as_seen(kind, origin, (reading,)) for reading in read]
        if any(map(lists.hide.fits, seen)) or any(not any(map(kept.fits, view)) for kept in lists.hide_but for view in views):
            return False
        if not lists.expose_some or any(map(lists.expose.names, views[0])):
            return True
        if all(any(map(lists.expose.fits, view)) for view in (views if asked else views[:1])):
            return True
        return any(not any(map(left.fits, seen)) for left in lists.expose_but)

    def _over_uris_of(self, origin: Namer) -> Lists:
        """The lists in the terms of a backend: what is said of its URIs as clients see them is said of its own, which have a normal form."""
        known = self._uris.get(origin.prefix)
        if known is None:
            given = [role.allows(RESOURCES.capability) for role in self.roles]
            allowed = () if None in given else [pattern for patterns in given for pattern in patterns or ()]
            known = self._uris[origin.prefix] = Lists.of(_in_terms_of(origin, allowed), _in_terms_of(origin, self._denied("resources")))
        return known


def _and_as_seen(kind: ListKind, origin: Namer, uris: Iterable[str]) -> Sequence[str]:
    """URIs of a backend, and how clients see each."""
    return list(dict.fromkeys(name for uri in uris for name in (uri, *origin.names_of(kind, uri))))


def _in_terms_of(origin: Namer, patterns: Iterable[Pattern]) -> list[Pattern]:
    found: list[Pattern] = []
    for pattern in patterns:
        own = origin.own_uri(pattern.text.lstrip("!")) if pattern.is_glob else None
        found += in_both_forms([pattern if own is None else pattern.rewritten(lambda _glob, own=own: own)])  # type: ignore[misc]
    return found
