"""What clients may see of one backend, and under which names: expose and hide lists, aliases (CFG-130…133, ALIAS-1, FLT-1…FLT-5)."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ..protocol.offers import PROMPTS, RESOURCES, TOOLS, Item, ListKind
from .annotations import NO_RULES, Annotated
from .filter_rules import NameRules, Rules, UriRules
from .patterns import Pattern
from .shaping.shape import NO_SHAPING, Shaping
from .spellings import normal

__all__ = ["Filter", "Visibility"]


@attrs.frozen(repr=False)
class Filter:
    """An allow list or a deny list over the backend's own names; both empty: everything passes (CFG-132)."""

    expose: tuple[Pattern, ...] = ()
    hide: tuple[Pattern, ...] = ()

    @classmethod
    def parse(cls, expose: Iterable[str] = (), hide: Iterable[str] = ()) -> Filter:
        """Read the patterns; raises `patterns.BadPattern`."""
        return cls(tuple(map(Pattern.parse, expose)), tuple(map(Pattern.parse, hide)))


@attrs.frozen(repr=False)
class Visibility:
    """The filters and aliases of one backend. One table of aliases serves tools, resources and prompts; templates keep their names.

    An alias takes the place of the original name, which nobody can use any more, and of anything that had the new name before (GMW-3).
    """

    tools: Filter = Filter()
    resources: Filter = Filter()
    prompts: Filter = Filter()
    annotated: Annotated = NO_RULES
    """What tools must say of themselves."""
    shaping: Shaping = NO_SHAPING
    """How the parameters of tools look."""
    aliases: dict[str, str] = attrs.field(factory=dict)
    """From the backend's name to the one that clients see."""
    hidden: bool = False
    """Nothing is shown and nothing can be called by name: for stand-ins and hidden mirrors."""
    _originals: dict[str, str] = attrs.field(init=False)

    @_originals.default
    def _turned_round(self) -> dict[str, str]:
        originals: dict[str, str] = {}
        for local, client in self.aliases.items():
            originals.setdefault(client, local)
        return originals

    _rules: dict[str, Rules] = attrs.field(init=False, eq=False)
    """Per capability."""
    _renamed: frozenset[str] = attrs.field(init=False, eq=False)
    """What has an alias, as whoever respells it writes it."""

    @_rules.default
    def _ready(self) -> dict[str, Rules]:
        return {
            TOOLS.capability: NameRules.of(self.tools.expose, self.tools.hide),
            RESOURCES.capability: UriRules.of(self.resources.expose, self.resources.hide),
            PROMPTS.capability: NameRules.of(self.prompts.expose, self.prompts.hide),
        }

    @_renamed.default
    def _respelled(self) -> frozenset[str]:
        return frozenset(spelling for local in self.aliases for spelling in (local.casefold(), normal(local)))

    def client_name(self, kind: ListKind, local: str) -> str | None:
        """The name, without prefix, under which clients see an item that the backend lists; None if they do not."""
        client = local if kind.key == "uriTemplate" else self.renamed(local)
        shown = not self.hidden and self.original(kind, client) == local and self._rules[kind.capability].show(local, client)
        return client if shown else None

    def local_name(self, kind: ListKind, client: str) -> str | None:
        """The backend's name of what a client names, without prefix, and in no list; None if the client may not use it."""
        local = self.original(kind, client)
        if local is None or self.hidden or (local == client and self._has_alias(kind, local)):
            return None
        return local if self._rules[kind.capability].admit(local, client) else None

    def filters(self, kind: ListKind) -> bool:
        """Whether there are rules for a kind: what the backend does not list is then not for clients."""
        return bool(self._rules[kind.capability]) or self.judges(kind)

    def judges(self, kind: ListKind) -> bool:
        """Whether it takes a backend's list to say what is for clients."""
        return kind is TOOLS and bool(self.annotated)

    def banned(self, kind: ListKind, items: Iterable[Item]) -> frozenset[str]:
        """The backend's own names that are not for clients by what their items say, whatever they are called."""
        return self.annotated.hidden(items) if kind is TOOLS else frozenset()

    def renamed(self, local: str) -> str:
        """The alias of a name, or the name itself; says nothing about whether it may be seen."""
        return self.aliases.get(local, local)

    def original(self, kind: ListKind, client: str) -> str | None:
        """The backend's name of what clients would know as that, if anything; says nothing about whether it may be seen."""
        if kind.key == "uriTemplate":
            return client
        if client in self._originals:
            return self._originals[client]
        return None if client in self.aliases else client

    def _has_alias(self, kind: ListKind, local: str) -> bool:
        """Whether it is another spelling of something that goes by its alias alone (GMW-3)."""
        if not self._renamed or kind.key == "uriTemplate":
            return False
        return (local.casefold() if kind.key == "name" else normal(local)) in self._renamed
