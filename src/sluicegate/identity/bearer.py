"""Bearer tokens that are known: who knows one is who it belongs to (AUTH-1 … AUTH-3)."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable

import attrs

from ..protocol.principal import Principal
from .challenges import challenge
from .identify import Refused, Sent

__all__ = ["BearerTokens", "KnownToken"]

_SCHEMES = frozenset({b"bearer", b"apikey"})
_MISSING = "Missing authentication credentials. Provide via Authorization header."
_INVALID = "The provided bearer token is not valid"
_EXPIRED = "The provided bearer token has expired"


@attrs.frozen(repr=False)
class KnownToken:
    """One of them, by its digest alone, so that neither logs nor dumps can show it."""

    digest: bytes
    """Its SHA-256."""
    principal: Principal
    """Whose it is; it holds until `Principal.expires_at`."""

    @classmethod
    def of(cls, token: str | bytes, *, name: str = "", roles: frozenset[str] = frozenset(), expires_at: float | None = None) -> KnownToken:
        """From the token itself, or from its digest. Without a ``name`` it is somebody of its own, with one it is whoever is called so."""
        digest = hashlib.sha256(token.encode()).digest() if isinstance(token, str) else token
        subject = name or f"bearer-{hashlib.sha256(b'principal:' + digest).hexdigest()[:16]}"
        return cls(digest, Principal(subject, roles=roles, how="bearer", name=name, expires_at=expires_at, shown=digest))


@attrs.frozen(init=False, repr=False)
class BearerTokens:
    """All that are known."""

    _known: dict[bytes, Principal]
    """By the digest."""
    _wall: Callable[[], float]

    def __init__(self, tokens: Iterable[str | KnownToken], wall: Callable[[], float] = time.time) -> None:
        known = (token if isinstance(token, KnownToken) else KnownToken.of(token) for token in tokens)
        self.__attrs_init__({token.digest: token.principal for token in known}, wall)

    async def identify(self, request: Sent) -> Principal | Refused:
        """The principal behind the ``Authorization`` header.

        ``Bearer TOKEN``, ``ApiKey TOKEN`` and a bare ``TOKEN`` are taken. Every known token is compared, in constant time, so the time that it
        takes tells nothing about them.
        """
        authorization = request.headers.authorization
        if not authorization:
            return Refused(_MISSING, challenge())
        token = _read_token(authorization[0]) if len(authorization) == 1 else None
        found = None if token is None else self.known_by(token)
        if found is None:
            return Refused(_INVALID, challenge("invalid_token", _INVALID))
        if found.expires_at is not None and found.expires_at <= self._wall():
            return Refused(_EXPIRED, challenge("invalid_token", _EXPIRED))
        return found

    def holds(self, principal: Principal) -> bool:
        """Whether what somebody has shown before, maybe to others than these, is known here, and means the same."""
        known = self._known.get(principal.shown)
        return known is not None and (known.key, known.roles, known.expires_at) == (principal.key, principal.roles, principal.expires_at)

    def known_by(self, token: bytes) -> Principal | None:
        """Whose a token is, whether or not it still holds."""
        digest, found = hashlib.sha256(token).digest(), None
        for known, principal in self._known.items():
            if hmac.compare_digest(known, digest):
                found = principal
        return found


def _read_token(value: bytes) -> bytes | None:
    scheme, space, token = value.strip().partition(b" ")
    if not space:
        return scheme or None
    if scheme.lower() not in _SCHEMES:
        return None
    return token.strip() or None
