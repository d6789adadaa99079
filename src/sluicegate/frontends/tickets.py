"""Session ids that say themselves what their session was, so that it can go on in another process (P-60).

No client opens a new session when it is told that there is none any more. So whoever shows a ticket that this process does not know is taken in as if
he had just been through the handshake. What a session has learned since then (the level of the log, subscriptions) is not in it: the id is given once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import msgspec

from ..protocol.capabilities import read_capabilities
from ..protocol.eras import LEGACY
from ..protocol.faults import Fault
from ..protocol.messages import Malformed, Params, Raw, decode_object, encode
from ..protocol.principal import Principal
from .endpoint import Opening
from .ticket_keys import MOST_CONTENT, SealedTicket

__all__ = ["Ticket", "owner_of", "ticket_content", "ticket_of"]

MOST_CAPABILITIES = MOST_CONTENT - 64
"""Bytes that a client's capabilities may take in a ticket. Of the largest of more, only the names of what is in them are kept, or not even these."""
_DIGEST = 16


class _Content(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed, in this order. What may be added later stands behind, with a default."""

    era: str
    born: int
    """In seconds since the epoch; so with the next."""
    expires: int
    principal: bytes
    """A digest of his key."""
    capabilities: bytes
    """As JSON."""


class Ticket(msgspec.Struct, frozen=True):
    """One that holds for whoever shows it now."""

    opening: Opening
    born: float
    sealed: SealedTicket


def ticket_content(opening: Opening, principal: Principal, now: float, lifetime: float) -> bytes:
    """What is sealed of a session that begins now."""
    known = _Content(opening.version, int(now), math.ceil(now + lifetime), _digest(principal), encode(_fitting(opening.capabilities)))
    return _write(known)


def owner_of(sealed: SealedTicket) -> bytes:
    """A digest of who got a ticket; empty where it says nothing."""
    try:
        return _read(sealed.content).principal
    except msgspec.DecodeError:
        return b""


def ticket_of(sealed: SealedTicket, principal: Principal, now: float, lifetime: float) -> Ticket | str:
    """What a ticket says, or why it does not hold: ``expired``, ``principal``, ``era`` or ``malformed``."""
    try:
        known = _read(sealed.content)
    except msgspec.DecodeError:
        return "malformed"
    if known.principal != _digest(principal):
        return "principal"
    if now >= known.expires or known.born - now > lifetime:  # whose clock was far ahead has made some that would never end
        return "expired"
    if known.era not in LEGACY:
        return "era"
    capabilities = read_capabilities(Raw(known.capabilities), "capabilities")
    return "malformed" if isinstance(capabilities, Fault) else Ticket(Opening(known.era, capabilities), known.born, sealed)


_write = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(_Content).decode


def _digest(principal: Principal) -> bytes:
    return hashlib.blake2b(principal.key.encode(), digest_size=_DIGEST).digest()


def _fitting(capabilities: Params) -> Params:
    """Those that fit, the smallest whole."""
    left = dict(capabilities)
    for less in (_names, _nothing):
        for name in sorted(left, key=lambda name: len(bytes(left[name])), reverse=True):
            if _size(left) <= MOST_CAPABILITIES:
                return left
            left[name] = less(left[name])
    return left


def _size(capabilities: Mapping[str, Raw]) -> int:
    return 2 + sum(len(name) + 4 + memoryview(raw).nbytes for name, raw in capabilities.items())


def _names(raw: Raw) -> Raw:
    members = decode_object(raw)
    return _NOTHING if isinstance(members, Malformed) else Raw(encode({name: {} for name in members}))


def _nothing(_raw: Raw) -> Raw:
    return _NOTHING


_NOTHING = Raw(b"{}")
