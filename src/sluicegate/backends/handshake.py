"""Opening a legacy conversation, and reading all that the backend offers (CORE-10, CORE-11, P-12)."""

from __future__ import annotations

import trio

from ..events import get_logger
from ..protocol import eras
from ..protocol.calls import Call
from ..protocol.messages import Malformed, Params, Raw, decode_object, encode, read_text
from ..protocol.offers import KINDS, Hello, Item, ListKind, Offer
from .lists import read_items
from .session import BackendSession

__all__ = ["HandshakeFailed", "read_list", "read_offer", "shake_hands"]

log = get_logger("sluicegate.backend")

MOST_PAGES = 1000
"""Pages of one list after which a backend is taken to go round in circles."""


class HandshakeFailed(Exception):
    """The backend was reached, but no conversation came about; the message says why."""


async def shake_hands(session: BackendSession, *, name: str, version: str) -> Hello:
    """Send ``initialize`` and ``notifications/initialized``; raises `HandshakeFailed`.

    A shared session declares no client capabilities, because nobody stands behind it who could be asked (P-70).
    """
    params: Params = {
        "protocolVersion": Raw(encode(eras.NEWEST)),
        "capabilities": Raw(b"{}"),
        "clientInfo": Raw(encode({"name": name, "version": version})),
    }
    reply = await session.request(Call("initialize", "initialize", params))
    if reply.fault is not None:
        raise HandshakeFailed(reply.fault.message)
    members = decode_object(reply.result)
    if isinstance(members, Malformed):
        raise HandshakeFailed("its answer to initialize is no object")
    spoken = read_text(members, "protocolVersion")
    if spoken not in eras.LEGACY:
        raise HandshakeFailed(f"it wants to speak protocol {spoken!r}; this gateway speaks {', '.join(eras.LEGACY)}")
    session.tell("notifications/initialized", {})
    return Hello(
        spoken,
        _object(members, "capabilities"),
        _object(members, "serverInfo"),
        read_text(members, "instructions") or "",
    )


def _object(members: Params, key: str) -> Params:
    value = decode_object(members[key]) if key in members else {}
    return {} if isinstance(value, Malformed) else value


async def read_offer(session: BackendSession, hello: Hello, *, backend: str) -> Offer:
    """Read every list that the backend declares, all at once; a list that cannot be read counts as empty."""
    lists: dict[ListKind, tuple[Item, ...]] = dict.fromkeys(KINDS, ())

    async def read(kind: ListKind) -> None:
        items = await read_list(session, kind, backend=backend)
        if items is not None:
            lists[kind] = items

    async with trio.open_nursery() as nursery:
        for kind in KINDS:
            if kind.capability in hello.capabilities:
                nursery.start_soon(read, kind)
    return Offer(hello, lists)


async def read_list(session: BackendSession, kind: ListKind, *, backend: str) -> tuple[Item, ...] | None:
    """One list, all its pages; None if the backend would not say."""
    found: list[Item] = []
    seen: set[bytes] = set()
    params: Params = {}
    while len(seen) < MOST_PAGES:
        reply = await session.request(Call(kind.method, kind.method, params))
        if reply.fault is not None:
            level = log.debug if kind.key == "uriTemplate" else log.warning  # many servers have resources but no templates
            level("backend did not send its list", backend=backend, list=kind.method, error=reply.fault.message)
            return None
        items, cursor, odd = read_items(reply.result, kind)
        if odd:
            log.warning("backend lists things without a name; they are left out", backend=backend, list=kind.method, count=odd)
        found += items
        if cursor is None or bytes(cursor) == b"null":
            return tuple(found)
        if bytes(cursor) in seen:
            break
        seen.add(bytes(cursor))
        params = {"cursor": cursor}
    log.warning("backend sends the same pages again and again; the rest of the list is left out", backend=backend, list=kind.method)
    return tuple(found)
