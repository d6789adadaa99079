"""Lists as the embedding program reads them: decoded, all pages together. Never on the way of a call."""

from __future__ import annotations

import msgspec

from ..protocol.messages import decode_object
from ..protocol.offers import ListKind
from .catalogue import Catalogue

__all__ = ["listed"]


def listed(catalogue: Catalogue, kind: ListKind) -> list[dict[str, object]]:
    """Every item of a list under the name that clients see, in their order; the members are those of MCP's ``Tool``, ``Resource`` and so on."""
    pages = catalogue.pages[kind.method]
    items: list[dict[str, object]] = []
    for page in (pages.first, *pages.rest.values()):
        members = decode_object(page.result)
        assert isinstance(members, dict)  # we have encoded it ourselves
        items += msgspec.json.decode(members[kind.member], type=list[dict[str, object]])
    return items
