"""What the number in a backend's own JSON-RPC error says about it: the one table that retry, failover, breaker, ejection and health go by.

Every code that a revision of the protocol defines is here, and what the official SDKs use beside them. A number that is not here and not
among the server errors is the backend's own: an answer, of which nobody knows what another backend would say.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from .errors import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CLIENT_CAPABILITY,
    PARSE_ERROR,
    REQUEST_CANCELLED,
    REQUEST_TIMEOUT,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    URL_ELICITATION_REQUIRED,
    USER_REJECTED,
)

__all__ = ["MEANINGS", "Meaning", "meaning_of"]


class Meaning(enum.Enum):
    """What follows for who made the call, and for the backend."""

    FINAL = "final"
    """The caller's to mend: the request is wrong, or a step is still to be taken. The same anywhere, and the backend is healthy."""
    ANSWERED = "answered"
    """The backend works, but has not done it. Asking it again changes nothing; another one may say something better."""
    FAILED = "failed"
    """The backend failed at it: that counts against it, may be over the next time, and need not be so elsewhere."""


MEANINGS: Mapping[int, Meaning] = MappingProxyType(
    {
        # JSON-RPC, in every revision
        PARSE_ERROR: Meaning.ANSWERED,  # what we sent has been parsed by us; so it is a limit of this backend
        INVALID_REQUEST: Meaning.FINAL,
        METHOD_NOT_FOUND: Meaning.ANSWERED,  # from one that lists the name it is final; only failover knows that
        INVALID_PARAMS: Meaning.FINAL,  # from 2026-07-28 on also an unknown resource, with ``data.uri``
        INTERNAL_ERROR: Meaning.FAILED,
        # 2024-11-05 to 2025-11-25
        USER_REJECTED: Meaning.ANSWERED,
        RESOURCE_NOT_FOUND: Meaning.FINAL,
        # 2025-11-25
        URL_ELICITATION_REQUIRED: Meaning.FINAL,
        # 2026-07-28
        HEADER_MISMATCH: Meaning.FINAL,
        MISSING_CLIENT_CAPABILITY: Meaning.FINAL,
        UNSUPPORTED_VERSION: Meaning.FINAL,
        # the SDKs' own: what a gateway between us and the backend has met on its other side
        CONNECTION_CLOSED: Meaning.FAILED,
        REQUEST_TIMEOUT: Meaning.FAILED,
        REQUEST_CANCELLED: Meaning.FINAL,
    }
)


def meaning_of(code: int) -> Meaning:
    """What a backend's error with this code means (DEC-5)."""
    known = MEANINGS.get(code)
    if known is not None:
        return known
    return Meaning.FAILED if -32099 <= code <= -32000 else Meaning.ANSWERED
