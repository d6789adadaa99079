"""How what a backend offers is called in clients' lists, as far as that is not its prefix."""

from __future__ import annotations

import msgspec

from ..protocol.names import fitting, shorten
from ..protocol.offers import TOOLS, ListKind

__all__ = ["NO_NAMING", "Naming"]


class Naming(msgspec.Struct, frozen=True):
    """It is the same for all backends."""

    max_tool_name: int = 0
    """Characters; 0 is no limit."""
    portable: bool = False
    """Whether there are only characters that every client takes."""

    def limit(self, kind: ListKind) -> int:
        """Characters that a name of the kind may have; 0 is any number."""
        return self.max_tool_name if self.portable or kind is TOOLS else 0

    def listed(self, kind: ListKind, full: str) -> str:
        """What stands in the list for a name with its prefix, or a URI as clients see it."""
        if kind.key != "name":
            return full
        return (fitting if self.portable else shorten)(full, self.limit(kind))


NO_NAMING = Naming()
