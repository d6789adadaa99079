"""What can go wrong with a call, and what may be done about it.

A fault is a value. It says whether the same call may be sent again, whether another backend may be asked, and whether it speaks against
the backend. A backend's own JSON-RPC error is kept whole and leaves as it came; everything else becomes ``-32603`` with a ``data``
object that says in machine-readable form what happened (P-26).
"""

from __future__ import annotations

import enum

import attrs
import msgspec

from .errors import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, REQUEST_CANCELLED
from .messages import Params, Raw, encode

__all__ = [
    "Cause",
    "Fault",
    "backend_error",
    "bug",
    "cancelled",
    "cannot_ask",
    "client_mistake",
    "lost",
    "not_available",
    "overloaded",
    "timed_out",
    "unavailable",
    "unknown_method",
    "unknown_name",
    "unreadable",
]


class Cause(enum.Enum):
    """Whose fault it is."""

    CLIENT = "client"
    BACKEND = "backend"
    TRANSPORT = "transport"
    TIMEOUT = "timeout"
    OVERLOAD = "overload"
    UNAVAILABLE = "unavailable"
    POLICY = "policy"
    CANCELLED = "cancelled"
    BUG = "bug"


_ELSEWHERE = frozenset({Cause.UNAVAILABLE, Cause.TRANSPORT, Cause.TIMEOUT, Cause.OVERLOAD})
_COUNTS = frozenset({Cause.TRANSPORT, Cause.TIMEOUT})
_MOST_SHOWN = 200
"""Bytes of an error object that nobody can read, for somebody who might."""
_MISTAKES = frozenset({INVALID_REQUEST, INVALID_PARAMS})


class _ErrorObject(msgspec.Struct):
    code: int
    message: str


@attrs.frozen
class Fault:
    """Why a call has no result."""

    cause: Cause
    code: int
    message: str
    reason: str = ""
    """One stable word for programs, sent as ``data.reason``."""
    backend: str = ""
    hint: str = ""
    """What to do about it."""
    started: bool = True
    """Whether the backend may have begun to work on it; only what certainly did not start may always be sent again."""
    details: Params = attrs.field(factory=dict)
    raw: Raw | None = None
    """The backend's whole error object, sent on unchanged."""

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether a stand-in may be asked (design: failover triggers); -32601 is the caller's to judge."""
        if self.cause is Cause.BACKEND:
            return self.code not in _MISTAKES
        return self.cause in _ELSEWHERE

    @property
    def counts_against_backend(self) -> bool:
        """Whether a breaker or an outlier detector should count it."""
        if self.cause is Cause.BACKEND:
            return self.code == INTERNAL_ERROR or -32099 <= self.code <= -32000
        return self.cause in _COUNTS

    def encode(self, *, attempts: int = 0) -> bytes:
        """The JSON-RPC error object that a client gets."""
        if self.raw is not None:
            return bytes(self.raw)
        data: dict[str, object] = {"reason": self.reason or self.cause.value}
        if self.backend:
            data["backend"] = self.backend
        if attempts > 1:
            data["attempts"] = attempts
        if self.hint:
            data["hint"] = self.hint
        return encode({"code": self.code, "message": self.message, "data": data | self.details})


def backend_error(backend: str, raw: Raw) -> Fault:
    """The backend answered with a JSON-RPC error; code, message and data stay as they are."""
    try:
        known = msgspec.json.decode(raw, type=_ErrorObject)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = bytes(raw)[:_MOST_SHOWN].decode(errors="replace")
        return unreadable(backend, f"its error object has no integer code and text message: {said}")
    return Fault(Cause.BACKEND, known.code, known.message, backend=backend, raw=raw)


def unavailable(backend: str, why: str, hint: str = "") -> Fault:
    """There is no live session with the backend; the call was not sent."""
    return Fault(
        Cause.UNAVAILABLE,
        INTERNAL_ERROR,
        f"backend '{backend}' is not available: {why}",
        "backend_unavailable",
        backend,
        hint,
        started=False,
    )


def lost(backend: str, why: str, *, started: bool = True) -> Fault:
    """The connection ended while the call was on it."""
    message = f"backend '{backend}' went away before it answered: {why}"
    return Fault(Cause.TRANSPORT, INTERNAL_ERROR, message, "connection_lost", backend, started=started)


def unreadable(backend: str, why: str) -> Fault:
    """The backend answered with something that is no answer."""
    return Fault(Cause.TRANSPORT, INTERNAL_ERROR, f"backend '{backend}' sent an answer that cannot be used: {why}", "bad_answer", backend)


def timed_out(target: str, seconds: float, *, backend: str = "") -> Fault:
    """A deadline passed after the call had been sent."""
    message = f"request timed out: '{target}' took longer than {seconds:g} s"
    return Fault(Cause.TIMEOUT, INTERNAL_ERROR, message, "timeout", backend)


def overloaded(target: str, why: str, *, backend: str = "") -> Fault:
    """The call never left our queues; it says nothing about the backend."""
    return Fault(Cause.OVERLOAD, INTERNAL_ERROR, f"'{target}' was not sent: {why}", "overloaded", backend, started=False)


def unknown_name(kind: str, name: str) -> Fault:
    """No backend offers it (CORE-27); an unknown resource carries its URI (P-89)."""
    details = {"uri": Raw(encode(name))} if kind == "resource" else {}
    return Fault(
        Cause.CLIENT,
        INVALID_PARAMS,
        f"Unknown {kind}: {name}",
        f"unknown_{kind}",
        hint="the names are in the list",
        started=False,
        details=details,
    )


def not_available(kind: str, name: str) -> Fault:
    """The configuration hides it (FLT-2)."""
    message = f"{kind.capitalize()} not available: {name}"
    return Fault(Cause.POLICY, INVALID_PARAMS, message, "not_available", started=False)


def unknown_method(method: str) -> Fault:
    """Neither we nor any backend implements it (CORE-28)."""
    return Fault(Cause.CLIENT, METHOD_NOT_FOUND, f"Method not supported by proxy: {method}", "unknown_method", started=False)


def client_mistake(message: str, *, code: int = INVALID_PARAMS, reason: str = "invalid_params") -> Fault:
    """The request itself is wrong."""
    return Fault(Cause.CLIENT, code, message, reason, started=False)


def cancelled(why: str = "the caller cancelled it") -> Fault:
    """Nobody waits for the answer any more, or the gateway is going down."""
    return Fault(Cause.CANCELLED, REQUEST_CANCELLED, f"request cancelled: {why}", "cancelled")


def bug(target: str) -> Fault:
    """Our own code failed; the traceback is in the log."""
    return Fault(Cause.BUG, INTERNAL_ERROR, f"internal error while handling '{target}'", "bug", hint="the gateway's log has the traceback")


def cannot_ask() -> Fault:
    """A backend has a question, but this caller cannot be asked."""
    return client_mistake("this caller cannot be asked", code=METHOD_NOT_FOUND, reason="cannot_ask")
