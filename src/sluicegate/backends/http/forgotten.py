"""The ways in which servers say that they do not know a session any more; the specification has one (404), the field many (CORE-65).

A server that has forgotten a session refuses a request before it looks what it asks for, so the call may be sent again in a new session. Where
the same words could come from a call that was under way, they are no proof of that.
"""

from __future__ import annotations

import enum
import re

from ...protocol.calls import READS, Call
from ...protocol.errors import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND, SESSION_LOST, SESSION_NOT_FOUND
from ...protocol.faults import Fault

__all__ = ["Memory", "is_harmless", "memory_of", "speaks_of_session"]


class Memory(enum.Enum):
    """What an answer says about the session that it was asked in."""

    KNOWN = enum.auto()
    FORGOTTEN = enum.auto()
    """And the call was not run."""
    IN_DOUBT = enum.auto()
    """The session is gone, and nobody knows whether the call was run."""


_SESSION = re.compile(r"session", re.IGNORECASE)
_NOBODYS = (
    r"(?:\A|[^\w\s]\s*|\b(?:a|an|and|bad|expired|for|in|invalid|mcp|missing|no|of|or|stale|such|the|this|to|unknown|valid|with|your)\s+)"
)
"""What stands before a session or a server that is the protocol's own; a tool says whose it is: a browser's, of a shell."""
_OUR_SESSION = re.compile(rf"mcp-session|{_NOBODYS}session", re.IGNORECASE)
_MCP_SESSION = re.compile(r"mcp-session", re.IGNORECASE)
_BEGIN_ANEW = re.compile(
    r"not (been |yet )?initiali[sz]ed|uninitiali[sz]ed|expect(s|ed|ing)? (an? )?[\"'`]?initiali[sz]e|initiali[sz]e (request|first)",
    re.IGNORECASE,
)
"""Servers without ids, too, say so after a restart."""
_NOT_READY = re.compile(rf"{_NOBODYS}(?:server|session)\b( is| was| has)? (not|un)|initiali[sz]e request", re.IGNORECASE)
"""What is said not to be initialized: a tool may say so of a database, or of its own client."""
_SDKS_WORDS = re.compile(r"Received request before initialization was complete|Bad Request: Server not initialized")
"""What the SDKs' own servers say of a request outside of a session, which nobody else says; some fronts put it into a 200."""
_ENDED = re.compile(
    r"session (has (been )?|was |is )?(terminated|expired|closed|not found|unknown)|(unknown|invalid|expired) session", re.IGNORECASE
)

_NAMING = frozenset({400, 401, 410, 422})
"""Statuses that say so if their text names the session."""


def memory_of(status: int, fault: Fault, *, has_id: bool, unnamed: bool, own_session: bool = False) -> Memory:
    """What the error in an answer says about the session.

    Args:
        status: of the HTTP answer.
        fault: what became of it.
        has_id: whether the request carried a session id.
        unnamed: the error came without the call's id, so it is not from what the call reached.
        own_session: the call itself speaks of a session, so what answered it may mean that one.
    """
    text = fault.message if fault.raw is not None else fault.told.partition(f"HTTP {status}")[2]  # without the backend's name
    if own_session and not unnamed and _is_success(status) and _MCP_SESSION.search(text) is None:
        return Memory.KNOWN
    if _asks_to_begin(status, fault, text, unnamed=unnamed) or (has_id and _is_forgotten(status, fault, text, unnamed=unnamed)):
        return Memory.FORGOTTEN
    return Memory.IN_DOUBT if has_id and status >= 500 and _ENDED.search(text) else Memory.KNOWN


def _asks_to_begin(status: int, fault: Fault, text: str, *, unnamed: bool) -> bool:
    """Whether it wants to be initialized before all else."""
    if _SDKS_WORDS.search(text) is not None:
        return status in _NAMING or _is_success(status)
    if _BEGIN_ANEW.search(text) is None:
        return False
    if status in _NAMING:
        return True
    ours = unnamed or (fault.code in {INVALID_REQUEST, RESOURCE_NOT_FOUND} and _NOT_READY.search(text) is not None)
    return ours and _is_success(status)


def _is_forgotten(status: int, fault: Fault, text: str, *, unnamed: bool) -> bool:
    """Whether it does not know the session id.

    A -32005 under the call's own id, with a status that says all is well, may be a tool's own error, and that tool has run. Under it -32001
    is an SDK's word for a time that ran out, unless it names the session. A -32602 under it is about what the call carries.
    """
    if fault.code == INVALID_PARAMS and not unnamed and status != 404:
        return False
    named = (_SESSION if unnamed or not _is_success(status) else _OUR_SESSION).search(text) is not None
    if fault.code == SESSION_LOST:
        return unnamed or not _is_success(status)
    if fault.code == SESSION_NOT_FOUND and (unnamed or named):
        return True
    if status == 404:
        return fault.code != METHOD_NOT_FOUND
    if _is_success(status):
        return named and (unnamed or fault.code == INVALID_REQUEST)
    return named and status in _NAMING


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def is_harmless(call: Call) -> bool:
    """Whether a call in doubt may be sent again without asking anybody."""
    return call.method in READS or call.method == "ping" or call.method.endswith("/list")


def speaks_of_session(call: Call) -> bool:
    """Whether a session is among what a call carries, as where a tool keeps those of a shell."""
    return any(b"session" in bytes(raw).lower() for key, raw in call.params.items() if key != "_meta")
