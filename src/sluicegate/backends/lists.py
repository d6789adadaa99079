"""Reading one page of a list result, just deep enough to route by it."""

from __future__ import annotations

import msgspec

from ..protocol.messages import Malformed, Raw, decode_object, read_text
from ..protocol.offers import Item, ListKind

__all__ = ["read_items"]

_array = msgspec.json.Decoder(list[Raw])


def read_items(result: Raw, kind: ListKind) -> tuple[list[Item], Raw | None, int]:
    """The items of a page, the cursor of the next, and how many items had no usable name."""
    members = decode_object(result)
    if isinstance(members, Malformed):
        return [], None, 0
    try:
        entries = _array.decode(members.get(kind.member, b"[]"))
    except (msgspec.DecodeError, RecursionError):
        return [], None, 1
    items: list[Item] = []
    for entry in entries:
        raw = decode_object(entry)
        key = None if isinstance(raw, Malformed) else read_text(raw, kind.key)
        if key and not isinstance(raw, Malformed):
            items.append(Item(key, raw))
    return items, members.get("nextCursor"), len(entries) - len(items)
