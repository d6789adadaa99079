"""What looks at a token that an issuer gave, and what it says of it: the seam between who asks and who knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import msgspec

from ..protocol.principal import Principal

__all__ = ["Denied", "TokenVerifier", "is_token", "read_bearer", "scopes_of"]

LONGEST_TOKEN = 16 * 1024
"""Bytes; those of large companies have 4 KiB, and who names every group has more."""
_B64TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1."""
MOST_SCOPES = 512


class Denied(msgspec.Struct, frozen=True):
    """Why a token lets nobody in."""

    why: str
    """In our own words, for the caller and the log."""
    retry_after: int | None = None
    """Where nobody can tell at the moment: the seconds after which it may be asked again."""


class TokenVerifier(Protocol):
    """Tells whose a token is."""

    async def verify(self, token: bytes) -> Principal | Denied:
        """Whose it is; without a checkpoint where that is known already."""
        ...


def read_bearer(values: tuple[bytes, ...]) -> bytes | Denied | None:
    """The token in these values of ``Authorization``; None where there is none at all."""
    if not values:
        return None
    scheme, _, token = values[0].strip().partition(b" ")
    if len(values) > 1 or scheme.lower() != b"bearer":
        return Denied("invalid token: write Authorization: Bearer TOKEN")
    token = token.strip()
    return token if 0 < len(token) <= LONGEST_TOKEN else Denied(f"invalid token: it is empty, or has more than {LONGEST_TOKEN} bytes")


def is_token(text: bytes) -> bool:
    """Whether it may be one at all; whoever knows it already need not ask."""
    return _B64TOKEN.fullmatch(text) is not None


def scopes_of(claims: Mapping[str, object]) -> frozenset[str]:
    """What was granted: ``scope`` as a text with spaces (RFC 8693, 4.2), and ``scp`` as a list or such a text, as some issuers have it."""
    found: list[str] = []
    for given in (claims.get("scope"), claims.get("scp")):
        if isinstance(given, str):
            found += given.split(" ", MOST_SCOPES)[:MOST_SCOPES]
        elif isinstance(given, list | tuple):
            found += [scope for scope in given[:MOST_SCOPES] if isinstance(scope, str)]
    return frozenset(scope for scope in found if scope)
