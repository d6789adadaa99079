"""Everything that can go wrong with a call: one function for each, so that the words are said in one place.

Where a backend is to blame, a reason that is plain text is for the operator alone (`Why`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .errors import (
    CIRCUIT_OPEN,
    EJECTED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    OVERLOADED,
    RATE_LIMITED,
    REQUEST_CANCELLED,
    TIMED_OUT,
    UNAUTHORIZED,
)
from .fault import Cause, Fault
from .messages import Raw, encode
from .why import Why

__all__ = [
    "Cause",
    "Fault",
    "backend_error",
    "bug",
    "cancelled",
    "cannot_ask",
    "circuit_open",
    "client_mistake",
    "ejected",
    "insufficient_scope",
    "lost",
    "missing_header",
    "no_place_to_wait",
    "not_available",
    "not_initialized",
    "overloaded",
    "queue_full",
    "queue_timed_out",
    "rate_limited",
    "stale_state",
    "timed_out",
    "unavailable",
    "unfit",
    "unknown_caller",
    "unknown_method",
    "unknown_name",
    "unreachable",
    "unreadable",
]

_MOST_SHOWN = 200
"""Bytes of an error object that nobody can read, for somebody who might."""


class _ErrorObject(msgspec.Struct):
    code: int | float
    """Some encoders write every number as a fraction."""
    message: str


def backend_error(backend: str, raw: Raw) -> Fault:
    """The backend answered with a JSON-RPC error; code, message and data stay as they are."""
    try:
        known = msgspec.json.decode(raw, type=_ErrorObject)
        code = int(known.code)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        code = None
    if code is None or code != known.code:
        said = bytes(raw)[:_MOST_SHOWN].decode(errors="replace")
        what = "its error object has no integer code and text message"
        return unreadable(backend, Why(what, f"{what}: {said}"))
    return Fault(Cause.BACKEND, code, known.message, backend=backend, raw=raw)


def unavailable(backend: str, why: Why | str, hint: str = "") -> Fault:
    """There is no live session with the backend; the call was not sent."""
    why = Why.of(why).after(f"backend '{backend}' is not available")
    return Fault(
        Cause.UNAVAILABLE, INTERNAL_ERROR, why.public, "backend_unavailable", backend, hint, started=False, for_operator=why.operator
    )


def unreachable(backend: str, why: Why | str) -> Fault:
    """There is a session, but no connection came about; the call was not sent.

    That speaks against the backend (DEC-5), while `unavailable` does not.
    """
    why = Why.of(why, "no connection came about").after(f"backend '{backend}' is not available")
    return Fault(Cause.TRANSPORT, INTERNAL_ERROR, why.public, "backend_unreachable", backend, started=False, for_operator=why.operator)


def lost(backend: str, why: Why | str, *, started: bool = True) -> Fault:
    """The connection ended while the call was on it."""
    why = Why.of(why).after(f"backend '{backend}' went away before it answered")
    return Fault(Cause.TRANSPORT, INTERNAL_ERROR, why.public, "connection_lost", backend, started=started, for_operator=why.operator)


def unreadable(backend: str, why: Why | str) -> Fault:
    """The backend answered with something that is no answer."""
    why = Why.of(why).after(f"backend '{backend}' sent an answer that cannot be used")
    return Fault(Cause.TRANSPORT, INTERNAL_ERROR, why.public, "bad_answer", backend, for_operator=why.operator)


def timed_out(target: str, seconds: float, *, backend: str = "") -> Fault:
    """A deadline passed after the call had been sent."""
    message = f"request timed out: '{target}' took longer than {seconds:g} s"
    return Fault(Cause.TIMEOUT, TIMED_OUT, message, "timeout", backend)


def overloaded(target: str, why: str, *, backend: str = "") -> Fault:
    """The call never left our queues; it says nothing about the backend."""
    return Fault(Cause.OVERLOAD, OVERLOADED, f"'{target}' was not sent: {why}", "overloaded", backend, started=False)


def no_place_to_wait(target: str, why: str) -> Fault:
    """A backend has a question in the middle of a call, and there is no room for one more call that waits for its client (P-105)."""
    message = f"'{target}' has a question, and was ended: {why}"
    return Fault(Cause.OVERLOAD, OVERLOADED, message, "no_place_to_wait")


def rate_limited(seconds: float, *, backend: str = "") -> Fault:
    """There is no token, and will be none within the time that the call may wait (RES-E4)."""
    return Fault(Cause.OVERLOAD, RATE_LIMITED, "rate limit exceeded", "rate_limited", backend, started=False, retry_after=seconds)


def queue_full(backend: str, waiting: int) -> Fault:
    """All places are taken, and so is the queue for them."""
    message = f"backend '{backend}' is busy: {waiting} calls already wait for their turn"
    return Fault(Cause.OVERLOAD, OVERLOADED, message, "queue_full", backend, started=False)


def queue_timed_out(backend: str, seconds: float) -> Fault:
    """No place became free in time."""
    message = f"backend '{backend}' is busy: no place became free within {seconds:g} s"
    return Fault(Cause.OVERLOAD, OVERLOADED, message, "queue_timeout", backend, started=False)


def circuit_open(backend: str, seconds: float | None) -> Fault:
    """Too many calls to it have failed; ``seconds`` until it is tried again, None if nobody knows (RES-E5)."""
    message = "circuit is open; call not permitted"
    return Fault(Cause.BARRED, CIRCUIT_OPEN, message, "circuit_open", backend, started=False, retry_after=seconds)


def ejected(backend: str, seconds: float | None) -> Fault:
    """It does worse than it may; ``seconds`` until it is let in again (RES-E6)."""
    message = f"backend '{backend}' is ejected due to consecutive errors"
    return Fault(Cause.BARRED, EJECTED, message, "ejected", backend, started=False, retry_after=seconds)


def unknown_name(kind: str, name: str) -> Fault:
    """No backend offers it (CORE-27); an unknown resource carries its URI (P-89)."""
    details = {"uri": Raw(encode(name))} if kind == "resource" else {}
    return Fault(
        Cause.CLIENT,
        INVALID_PARAMS,
        f"Unknown {kind}: {name}",
        f"unknown_{kind.replace(' ', '_')}",
        hint="the names are in the list",
        started=False,
        details=details,
    )


def not_available(kind: str, name: str) -> Fault:
    """The configuration hides it (FLT-2)."""
    message = f"{kind.capitalize()} not available: {name}"
    return Fault(Cause.POLICY, INVALID_PARAMS, message, "not_available", started=False)


def unknown_caller() -> Fault:
    """An argument is about the caller, and nobody knows him (INJ-1)."""
    message = "this tool is given the name of its caller, and nobody knows yours; show who you are"
    return Fault(Cause.POLICY, INVALID_PARAMS, message, "unknown_caller", started=False)


def missing_header(name: str) -> Fault:
    """An argument is made of a header of the request, which the caller, or a proxy before us, was to send (INJ-1)."""
    message = f"this tool is given the header '{name}' of the request, and there is none that could be used"
    return Fault(Cause.POLICY, INVALID_PARAMS, message, "missing_header", hint=f"send '{name}' over HTTP, once", started=False)


def unknown_task() -> Fault:
    """There is none with that id, or it is somebody else's, which is not told."""
    return client_mistake("Failed to retrieve task: Task not found", reason="unknown_task")


def unknown_method(method: str) -> Fault:
    """Neither we nor any backend implements it (CORE-28)."""
    return Fault(Cause.CLIENT, METHOD_NOT_FOUND, f"Method not supported by proxy: {method}", "unknown_method", started=False)


def client_mistake(message: str, *, code: int = INVALID_PARAMS, reason: str = "invalid_params") -> Fault:
    """The request itself is wrong."""
    return Fault(Cause.CLIENT, code, message, reason, started=False)


def insufficient_scope(target: str, needed: Sequence[str]) -> Fault:
    """The caller is known, and was not granted all that this takes (AUTH-13)."""
    message = f"insufficient scope for '{target}': it needs {' '.join(needed)}"
    scopes = {"scopes": Raw(encode(needed))}
    return Fault(Cause.POLICY, UNAUTHORIZED, message, "insufficient_scope", started=False, details=scopes)


def not_initialized() -> Fault:
    """There is no session, or its ``initialize`` failed."""
    return client_mistake("there is no session yet: send initialize first", code=INVALID_REQUEST, reason="not_initialized")


def stale_state() -> Fault:
    """What a request brings back of an earlier round is none of ours, somebody else's, another request's or backend's, or holds no more (P-102).

    The same is said of all of it: who did not get it from us learns nothing.
    """
    return client_mistake('"requestState" does not hold for this request, or not any more', reason="stale_request_state")


def cancelled(why: str = "the caller cancelled it") -> Fault:
    """Nobody waits for the answer any more, or the gateway is going down."""
    return Fault(Cause.CANCELLED, REQUEST_CANCELLED, f"request cancelled: {why}", "cancelled")


def unfit(backend: str, places: str) -> Fault:
    """A stand-in has other tools than clients see, and its own word is to count: the call was not sent there (LIM-56)."""
    message = f"backend '{backend}' stands in for another, and takes no such arguments: {places}"
    return Fault(Cause.BARRED, INVALID_PARAMS, message, "unfit_arguments", backend, started=False, lasting=True)


def bug(target: str) -> Fault:
    """Our own code failed; the traceback is in the log."""
    return Fault(Cause.BUG, INTERNAL_ERROR, f"internal error while handling '{target}'", "bug", hint="the gateway's log has the traceback")


def cannot_ask(why: str = "this caller cannot be asked") -> Fault:
    """A backend has a question, and there is nobody to be asked."""
    return client_mistake(why, code=METHOD_NOT_FOUND, reason="cannot_ask")
