"""What requests to a backend show, so that it lets the gateway in: the seam between a connection and where tokens come from.

It is never what a client has shown (P-143).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

import msgspec

from .principal import Principal
from .why import Why

__all__ = ["MOST_SCOPES", "Challenge", "Credential", "challenge_of"]

_PARAMETER = re.compile(r'([A-Za-z_]{1,32})\s{0,8}=\s{0,8}(?:"((?:[^"\\]|\\.){0,2000})"|([^\s,"]{1,2000}))')
_SCHEME = re.compile(r"(?:^|,\s{0,8})bearer\b", re.IGNORECASE)
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,256}")
MOST_SCOPES = 64
"""How many a backend can want, in one refusal and in all."""
_LONGEST = 8192
"""Characters of a challenge that are looked at."""


class Challenge(msgspec.Struct, frozen=True):
    """What a backend says with a refusal (RFC 6750, section 3; RFC 9728, section 5.1); all of it is the backend's word."""

    error: str = ""
    scopes: tuple[str, ...] = ()
    """What it wants to be granted, all of it."""
    metadata: str = ""
    """The address of the document that names its authorization server."""


class Credential(Protocol):
    """Has what requests to one backend show now. Its task is `run`, and without that nothing is ever had."""

    is_of_callers: bool
    """Whether each caller has one of his own."""
    hint: str
    """What the operator can do where it is refused, or where there is none."""

    def at_hand(self, principal: Principal) -> bytes | None:
        """Header lines that are ready to be sent, on whose behalf a request goes; None where they have to be waited for."""
        ...

    async def have(self, principal: Principal) -> bytes | Why:
        """The same, or why there are none. It waits no longer than for the answer to one question."""
        ...

    async def renewed(self, principal: Principal, shown: bytes, challenge: Challenge) -> bytes | Why:
        """Others than what was ``shown`` and refused, or why there are none. Who comes meanwhile joins; it is asked for seldom."""
        ...

    async def run(self) -> None:
        """Keep it fresh, until cancelled."""
        ...


def challenge_of(values: Iterable[bytes]) -> Challenge | None:
    """What the values of ``WWW-Authenticate`` say about a bearer token; None where none of them asks for one."""
    for value in values:
        text = value[:_LONGEST].decode("latin-1")
        if (scheme := _SCHEME.search(text)) is None:
            continue
        found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text, scheme.end())}
        scopes = tuple(_SCOPE.findall(found.get("scope", "")))[:MOST_SCOPES]
        return Challenge(found.get("error", ""), scopes, found.get("resource_metadata", ""))
    return None
