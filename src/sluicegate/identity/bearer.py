"""Static bearer tokens: who knows one is who it belongs to (AUTH-1, AUTH-2)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

import attrs

from ..protocol.principal import Principal
from .challenges import challenge
from .identify import Refused, Sent

__all__ = ["BearerTokens"]

_SCHEMES = frozenset({b"bearer", b"apikey"})
_MISSING = "Missing authentication credentials. Provide via Authorization header."
_INVALID = "The provided bearer token is not valid"


@attrs.frozen(init=False, repr=False)
class BearerTokens:
    """Knows the tokens by their digests only, so that neither logs nor dumps can show one."""

    _known: dict[bytes, Principal]
    """By the digest."""

    def __init__(self, tokens: Iterable[str]) -> None:
        known = {}
        for token in tokens:
            digest = hashlib.sha256(token.encode()).digest()
            known[digest] = Principal(f"bearer-{hashlib.sha256(b'principal:' + digest).hexdigest()[:16]}", how="bearer")
        self.__attrs_init__(known)

    async def identify(self, request: Sent) -> Principal | Refused:
        """The principal behind the ``Authorization`` header.

        ``Bearer TOKEN``, ``ApiKey TOKEN`` and a bare ``TOKEN`` are taken. Every known token is compared, in constant time, so the time that it
        takes tells nothing about them.
        """
        authorization = request.headers.authorization
        if not authorization:
            return Refused(_MISSING, challenge())
        token = _read_token(authorization[0]) if len(authorization) == 1 else None
        found = None
        if token is not None:
            digest = hashlib.sha256(token).digest()
            for known, principal in self._known.items():
                if hmac.compare_digest(known, digest):
                    found = principal
        return found or Refused(_INVALID, challenge("invalid_token", _INVALID))


def _read_token(value: bytes) -> bytes | None:
    scheme, space, token = value.strip().partition(b" ")
    if not space:
        return scheme or None
    if scheme.lower() not in _SCHEMES:
        return None
    return token.strip() or None
