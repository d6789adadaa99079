"""What claims say in the same words whoever tells them, a token or its issuer: who it is, for whom, and when (RFC 7519, RFC 7662)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import attrs

__all__ = ["Subject", "is_meant_for", "is_time", "subject_of"]

_END_OF_TIME = 1e12
"""Seconds; a number may have thousands of digits."""
_LONGEST = 256
"""Characters of a name; it becomes a key, and stands in logs."""
_CLIENT = "client_id:"
"""Before the name of a client, so that nobody is taken for it who is called like it."""


@attrs.frozen
class Subject:
    """Who it is."""

    id: str
    """No two of one issuer have the same."""
    name: str
    """For logs."""


def subject_of(claims: Mapping[str, object]) -> Subject | None:
    """Who it is; a client that acts for nobody but itself is named by some issuers in ``client_id`` alone."""
    if "sub" in claims:
        name = _name(claims["sub"])
        return None if name is None or name.startswith(_CLIENT) else Subject(name, name)
    client = _name(claims.get("client_id"))
    return None if client is None else Subject(_CLIENT + client, client)


def is_meant_for(audience: str, claims: Mapping[str, object]) -> bool:
    """Whether that is one for whom it is, letter by letter; what is for nobody by name is not (P-140)."""
    said = claims.get("aud")
    return audience in said if isinstance(said, list) else audience == said


def is_time(value: object) -> TypeGuard[float]:
    """Whether it may be compared with seconds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _END_OF_TIME


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable() else None
