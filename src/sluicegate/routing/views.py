"""Which backends show views (MCP Apps), and what of theirs these may use."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..protocol.members import decode_array
from ..protocol.messages import EMPTY, Malformed, Params, decode_object, text
from ..protocol.offers import TOOLS, ListKind, Offer
from .inventory import Inventory
from .results import names_view
from .routes import Namespace, Views

__all__ = ["views_of"]


def views_of(namespace: Namespace, offer: Offer, shown: Mapping[ListKind, Collection[str]]) -> Views | None:
    """What views of a backend may use; None if none of its tools names one."""
    tools = [(item.key, item.raw["_meta"]) for item in offer.lists[TOOLS] if "_meta" in item.raw]
    if not any(names_view(meta) for _name, meta in tools):
        return None
    members = [(name, decode_object(meta)) for name, meta in tools]
    model_only = frozenset(name for name, meta in members if not isinstance(meta, Malformed) and not _is_for_views(meta))
    return Views(namespace, Inventory.of(offer, shown, namespace.visibility), model_only)


def _is_for_views(meta: Params) -> bool:
    """Whether a tool says nothing else: who names nobody means everybody."""
    ui = decode_object(meta.get("ui", EMPTY))
    if isinstance(ui, Malformed) or bytes(ui.get("visibility", b""))[:1] != b"[":
        return True
    return "app" in map(text, decode_array(ui["visibility"]))
