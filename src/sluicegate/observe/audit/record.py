"""What a record of the audit says, and what an answer means in its words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec

from ...protocol.calls import Trail
from ...protocol.cause import Cause
from ...protocol.ended_requests import Ended, RefusedRequest
from ...protocol.fault import Fault
from ...protocol.reply import TOOL_ERROR
from ..stamps import Stamps

_NOTHING = msgspec.Raw(b"")
__all__ = ["AuditRecord", "HopRecord", "hashed", "record_of", "record_of_refusal", "verdict_on"]

BY_CALLER = "the caller cancelled it"
LONGEST = 256
"""Characters of a name; it may be a whole URI."""
_DENIED = frozenset({401, 403})
"""HTTP statuses that say who may not."""
_DENIED_REASONS = frozenset({"denied", "forbidden", "insufficient_scope", "not_permitted", "unknown_caller"})
"""The same for faults."""


class HopRecord(msgspec.Struct, omit_defaults=True):
    """One attempt at one backend."""

    backend: str
    outcome: str
    ms: float


class AuditRecord(msgspec.Struct, omit_defaults=True):
    """One request and what became of it. What says nothing is left out."""

    event: str
    """``request``; ``refused`` where it was refused over HTTP; or see `Ended.event`."""
    time: str
    """When it ended: ISO 8601, UTC."""
    method: str = ""
    target: str = ""
    """The tool, prompt or URI, as its client named it."""
    status: str = ""
    """``success``, ``tool_error``, ``error``, ``denied``, ``cancelled``, ``timeout``, ``unknown``, or ``asked``."""
    reason: str = ""
    """Of what was no success: one word, or why it was refused."""
    by: str = ""
    """Who cancelled it: ``caller`` or ``gateway``."""
    code: int = 0
    """Of the JSON-RPC error, or the HTTP status of a refusal."""
    ms: float = 0.0
    id: msgspec.Raw = _NOTHING
    """Of the request, as its client wrote it."""
    principal: str = ""
    name: str = ""
    """What the principal is called, where that is something else."""
    how: str = ""
    """How it has shown who it is."""
    session: str = ""
    """A hash of the session's id."""
    network: str = ""
    http: str = ""
    backend: str = ""
    """That has answered, or had it last."""
    sent: bool = False
    """Whether it has left for a backend."""
    hops: Sequence[HopRecord] = ()
    """All attempts, where it was not one."""
    bytes_in: int = 0
    """Of the arguments."""
    bytes_out: int = 0
    """Of the answer."""
    arguments_sha256: str = ""
    result_sha256: str = ""
    arguments: msgspec.Raw = _NOTHING


@lru_cache(4096)
def hashed(session: str) -> str:
    """What tells sessions apart without letting anybody into one."""
    return sha256(session.encode()).hexdigest()[:16] if session else ""


def _short(raw: bytes) -> msgspec.Raw:
    """An id as it came, where it is none of those that are only there to fill a file."""
    return msgspec.Raw(raw) if 0 < len(raw) <= LONGEST else _NOTHING


def _millis(seconds: float) -> float:
    """To the microsecond; ``round`` takes three times as long for it."""
    return int(seconds * 1e6 + 0.5) / 1000


def verdict_on(fault: Fault | None, trail: Trail) -> tuple[str, str, str]:
    """Status, reason, and who cancelled it, of what has no result."""
    if fault is None:
        return "success", "", ""
    reason = fault.reason or "error"
    if reason == "cancelled":
        by_caller = trail.cut == BY_CALLER
        return "cancelled", "" if by_caller else trail.cut or reason, "caller" if by_caller else "gateway"
    if fault.cause is Cause.TIMEOUT or reason == "timeout":
        return "timeout", reason, ""
    if reason in _DENIED_REASONS:
        return "denied", reason, ""
    return ("unknown" if fault.is_in_doubt else "error"), reason, ""


def record_of(what: Ended, now: float, stamps: Stamps, wall: float) -> AuditRecord:
    """Of a request that became a call."""
    call, reply = what.call, what.reply
    trail, caller, method = call.trail, call.caller, call.method
    principal, hops = caller.principal, trail.hops
    fault, name = reply.fault, principal.name
    record = AuditRecord(  # by position, since names cost more than all else of it
        what.event,
        stamps.at(wall),
        method[:LONGEST],
        call.target[:LONGEST],
        "success",
        "",
        "",
        0,
        _millis(now - what.began),
        _short(what.id),
        principal.key,
        "" if name == principal.subject else name,
        principal.how,
        hashed(caller.session),
    )
    record.bytes_out = what.size
    if fault is not None:
        record.code = fault.code
        record.status, record.reason, record.by = verdict_on(fault, trail)
    elif what.asked:
        record.status = "asked"
    elif method == "tools/call" and reply.tool_result.is_error:
        record.status = TOOL_ERROR
    if len(hops) == 1 and not trail.given_by:  # as nearly always; `holder` says the same
        record.backend, record.sent = hops[0].backend, trail.sent
    elif hops or trail.given_by:
        record.backend, record.sent = trail.holder, trail.sent
        if len(hops) > 1:
            record.hops = [HopRecord(hop.backend, hop.outcome, _millis(hop.seconds)) for hop in hops]
    return record


def record_of_refusal(what: RefusedRequest, stamps: Stamps, wall: float) -> AuditRecord:
    """Of an HTTP request that was refused. In its reason nobody's own words stand, since one may be a secret."""
    plain, quote, _ = what.reason.partition("'")
    request, principal = what.request, what.principal
    record = AuditRecord(
        "refused",
        stamps.at(wall),
        status="denied" if what.status in _DENIED else "error",
        reason=plain.strip()[:LONGEST] + ("…" if quote else ""),
        code=what.status,
        http=what.http[:LONGEST],
        network=what.network,
        principal=principal.key,
        how=principal.how,
    )
    if request is not None:
        record.method = request.method[:LONGEST]
        record.id = _short(request.id)
    return record
