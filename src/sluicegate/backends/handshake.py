"""Opener a legacy conversation, and reading all that the backend offers (CORE-10, CORE-11, P-12)."""

from __future__ import annotations

import attrs
import trio

from ..protocol import eras
from ..protocol.calls import Call
from ..protocol.faults import Cause, Fault
from ..protocol.members import MOST_ENTRIES
from ..protocol.messages import Malformed, Params, Raw, decode_object, encode, read_text
from ..protocol.offers import KINDS, Flaw, Hello, Item, Listed, ListKind, Offer
from ..protocol.why import Why
from ..telling.loggers import get_logger
from .lists import Page, joined, read_page
from .negotiation import Negotiation, refusal
from .session import BackendSession

__all__ = ["Handshake", "HandshakeFailed", "read_list", "read_offer", "shake_hands"]

log = get_logger("sluicegate.backend")

MOST_PAGES = 1000
"""Pages of one list after which a backend is taken to go round in circles."""
MOST_BYTES = 64 * 1024 * 1024
"""How much of one list is kept; what comes after is left out."""

_EMPTY_CURSOR = b'""'
"""A cursor like any other (P-83); but some servers write it into the last page, and then send the list from its beginning again."""


class HandshakeFailed(Exception):
    """The backend was reached, but no conversation came about; the message says why, to the operator."""

    def __init__(self, why: Why, *, lasting: bool = False, fault: Fault | None = None) -> None:
        super().__init__(str(why))
        self.why = why
        self.fault = fault
        """What the backend answered, where that is why."""
        self.lasting = lasting
        """The next try would fail in the same way."""


@attrs.define(eq=False, repr=False)
class Handshake:
    """Opens conversations of the eras that have a handshake (implements `Opener`); what a backend has refused is known the next time."""

    name: str = "sluicegate"
    """How the gateway introduces itself."""
    version: str = "0"
    _negotiation: Negotiation = attrs.field(factory=Negotiation, init=False)

    async def __call__(self, session: BackendSession, declared: Params) -> tuple[Hello, BackendSession]:
        """Shake hands."""
        hello = await shake_hands(session, name=self.name, version=self.version, negotiation=self._negotiation, declared=declared)
        return hello, session


async def shake_hands(
    session: BackendSession, *, name: str, version: str, negotiation: Negotiation | None = None, declared: Params | None = None
) -> Hello:
    """Send ``initialize`` and ``notifications/initialized``; raises `HandshakeFailed`.

    ``declared`` is what its client can do. A shared session declares nothing, because nobody stands behind it who could be asked (P-70).
    """
    asked = Negotiation() if negotiation is None else negotiation
    params: Params = {"capabilities": Raw(encode(declared or {})), "clientInfo": Raw(encode({"name": name, "version": version}))}
    for _ in eras.LEGACY:
        reply = await session.request(Call(eras.HANDSHAKE, eras.HANDSHAKE, {"protocolVersion": Raw(encode(asked.offered))} | params))
        if reply.fault is None or not asked.step(reply.fault):
            break
    if reply.fault is not None:
        raise HandshakeFailed(refusal(reply.fault), lasting=reply.fault.lasting, fault=reply.fault)
    members = decode_object(reply.result)
    if isinstance(members, Malformed):
        raise HandshakeFailed(Why("its answer to initialize is no object"))
    spoken = read_text(members, "protocolVersion")
    if spoken not in eras.LEGACY:
        what = "it wants to speak a protocol that this gateway does not"
        raise HandshakeFailed(
            Why(what, f"it wants to speak protocol {spoken!r}; this gateway speaks {', '.join(eras.LEGACY)}"), lasting=True
        )
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


async def read_offer(session: BackendSession, hello: Hello, *, backend: str, strict: bool = False) -> Offer:
    """Read every list that the backend declares, all at once; a list that it refuses counts as empty. ``strict`` mends nothing.

    Raises:
        HandshakeFailed: the backend went away meanwhile. What it offered before is then better than a list that happens to be empty.
    """
    lists: dict[ListKind, tuple[Item, ...]] = dict.fromkeys(KINDS, ())
    flaws: dict[ListKind, tuple[Flaw, ...]] = {}
    lost: list[Fault] = []

    async def read(kind: ListKind) -> None:
        found = await read_list(session, kind, backend=backend, strict=strict)
        if not isinstance(found, Fault):
            lists[kind], flaws[kind] = found.items, found.flaws
        elif found.cause is Cause.UNAVAILABLE or found.reason in {"backend_unreachable", "connection_lost"}:
            lost.append(found)

    async with trio.open_nursery() as nursery:
        for kind in KINDS:
            if kind.capability in hello.capabilities:
                nursery.start_soon(read, kind)
    if lost:
        raise HandshakeFailed(lost[0].why)
    return Offer(hello, lists, flaws)


async def read_list(session: BackendSession, kind: ListKind, *, backend: str, strict: bool = False) -> Listed | Fault:
    """One list, all its pages, or why the backend would not say."""
    pages: list[Page] = []
    found: set[str] = set()
    seen: set[bytes] = set()
    params: Params = {}
    size = 0
    while len(seen) < MOST_PAGES:
        reply = await session.request(Call(kind.method, kind.method, params))
        if reply.fault is not None:
            level = log.debug if kind.key == "uriTemplate" else log.warning  # many servers have resources but no templates
            level("backend did not send its list", backend=backend, list=kind.method, error=reply.fault.told)
            return reply.fault
        page = await read_page(reply.result, kind, strict=strict)
        keys = {item.key for item in page.listed.items}
        if bytes(params.get("cursor", b"")) == _EMPTY_CURSOR and keys <= found:
            return joined(pages, kind)
        pages.append(page)
        found |= keys
        cursor = page.cursor
        if cursor is None:
            return joined(pages, kind)
        size += len(bytes(reply.result))
        if bytes(cursor) in seen or size >= MOST_BYTES or len(found) >= MOST_ENTRIES:
            break
        seen.add(bytes(cursor))
        params = {"cursor": cursor}
    log.warning("backend sends page after page; the rest of the list is left out", backend=backend, list=kind.method, bytes=size)
    return joined(pages, kind)
