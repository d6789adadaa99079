"""Lists as the embedding program reads them: decoded, all pages together. Never on the way of a call."""

from __future__ import annotations

from typing import cast

from ..protocol.messages import decode_object
from ..protocol.offers import ListKind
from ..protocol.values import read_value
from .catalogue import Catalogue

__all__ = ["listed"]


def listed(catalogue: Catalogue, kind: ListKind) -> list[dict[str, object]]:
    """Every item of a list under the name that clients see, in their order; the members are those of MCP's ``Tool``, ``Resource`` and so on."""
    pages = catalogue.pages[kind.method]
    items: list[dict[str, object]] = []
    for page in (pages.first, *pages.rest.values()):
        members = decode_object(page.result)
        assert isinstance(members, dict)  # we have encoded it ourselves
        items += cast("list[dict[str, object]]", read_value(members[kind.member]))
    return items
