"""What clients may see of one backend, and under which names: expose and hide lists, aliases (CFG-130…133, ALIAS-1, FLT-1…5)."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ..protocol.offers import ListKind
from .patterns import Pattern

__all__ = ["Filter", "Visibility"]


@attrs.frozen
class Filter:
    """An allow list or a deny list over the backend's own names; both empty: everything passes (CFG-132)."""

    expose: tuple[Pattern, ...] = ()
    hide: tuple[Pattern, ...] = ()

    @classmethod
    def parse(cls, expose: Iterable[str] = (), hide: Iterable[str] = ()) -> Filter:
        """Read the patterns; raises `patterns.BadPattern`."""
        return cls(tuple(map(Pattern.parse, expose)), tuple(map(Pattern.parse, hide)))

    def passes(self, *names: str) -> bool:
        """Whether something that goes by these names may be seen: exposed under one of them, hidden under none (LIM-24)."""
        if any(pattern.matches(name) for pattern in self.hide for name in names):
            return False
        return not self.expose or any(pattern.matches(name) for pattern in self.expose for name in names)


@attrs.frozen
class Visibility:
    """The filters and aliases of one backend. One table of aliases serves tools, resources and prompts; templates keep their names.

    An alias takes the place of the original name, which nobody can use any more, and of anything that had the new name before (GMW-3).
    """

    tools: Filter = Filter()
    resources: Filter = Filter()
    prompts: Filter = Filter()
    aliases: dict[str, str] = attrs.field(factory=dict)
    """From the backend's name to the one that clients see."""
    hidden: bool = False
    """Nothing is shown and nothing can be called by name: for stand-ins and hidden mirrors."""
    _originals: dict[str, str] = attrs.field(init=False, repr=False)

    @_originals.default
    def _turned_round(self) -> dict[str, str]:
        originals: dict[str, str] = {}
        for local, client in self.aliases.items():
            originals.setdefault(client, local)
        return originals

    def client_name(self, kind: ListKind, local: str) -> str | None:
        """The name, without prefix, under which clients see an item; None if they do not."""
        client = local if kind.key == "uriTemplate" else self.renamed(local)
        return client if self._shows(kind, local, client) and self._original(kind, client) == local else None

    def local_name(self, kind: ListKind, client: str) -> str | None:
        """The backend's name of what a client names, without prefix; None if the client may not use it."""
        local = self._original(kind, client)
        return local if local is not None and self._shows(kind, local, client) else None

    def renamed(self, local: str) -> str:
        """The alias of a name, or the name itself; says nothing about whether it may be seen."""
        return self.aliases.get(local, local)

    def _original(self, kind: ListKind, client: str) -> str | None:
        if kind.key == "uriTemplate":
            return client
        if client in self._originals:
            return self._originals[client]
        return None if client in self.aliases else client

    def _shows(self, kind: ListKind, local: str, client: str) -> bool:
        return not self.hidden and self._filter(kind).passes(local, client)

    def _filter(self, kind: ListKind) -> Filter:
        if kind.capability == "tools":
            return self.tools
        return self.prompts if kind.capability == "prompts" else self.resources
