"""What one role says: of each kind of thing, what those who have it may use, and what they may not (RBAC-5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from ...protocol.offers import PROMPTS, RESOURCES, TOOLS
from ..patterns import Pattern

__all__ = ["CAPABILITIES", "Role"]

CAPABILITIES = (TOOLS.capability, RESOURCES.capability, PROMPTS.capability)
"""What there are lists for; templates are resources."""
Patterns = Mapping[str, tuple[Pattern, ...]]
"""By capability."""


@attrs.frozen(repr=False)
class Role:
    """One of them, its patterns understood. Where it allows anything at all it allows nothing else, of no kind; else it allows everything."""

    name: str
    allow: Patterns = attrs.field(factory=dict)
    deny: Patterns = attrs.field(factory=dict)
    is_token: bool = False
    """It is what is said of one token, and has no name of its own that a caller could be told."""
    only_denies: bool = False
    """It takes something from what other roles of the same principal give, and gives nothing itself."""
    reads_pages: bool = False
    """Whether the gateway's own pages may be read, such as ``/metrics``."""

    @classmethod
    def parse(cls, name: str, allow: Mapping[str, Iterable[str]], deny: Mapping[str, Iterable[str]], *, is_token: bool = False) -> Role:
        """Read the patterns, by capability; raises `patterns.BadPattern`."""
        return cls(name, _parsed(allow), _parsed(deny), is_token)

    @property
    def names_what_it_allows(self) -> bool:
        """Whether it has an allow list, of whatever kind."""
        return any(self.allow.values())

    @property
    def is_unlimited(self) -> bool:
        """Whether it allows everything."""
        return not (self.only_denies or self.names_what_it_allows or any(self.deny.values()))

    def allows(self, capability: str) -> tuple[Pattern, ...] | None:
        """What of a kind it gives; None is everything."""
        if self.only_denies:
            return ()
        return self.allow.get(capability, ()) if self.names_what_it_allows else None


def _parsed(lists: Mapping[str, Iterable[str]]) -> Patterns:
    return {capability: tuple(map(Pattern.parse, texts)) for capability, texts in lists.items()}
