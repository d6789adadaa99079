"""Whether a token that its issuer calls active is for us, and whose it is: what a question about it leaves to whoever asked (AUTH-9, P-140)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeGuard

import attrs

from ..protocol.principal import Principal
from .verifying import Denied, scopes_of

__all__ = ["ActiveClaims"]

_END_OF_TIME = 1e12
"""Seconds; a number may have thousands of digits."""
_LONGEST_SUBJECT = 256
"""Characters; it becomes a key, and stands in logs."""


@attrs.frozen(eq=False, repr=False)
class ActiveClaims:
    """The rules of one issuer."""

    issuer: str
    audience: str
    leeway_seconds: float
    wall: Callable[[], float]
    roles_of: Callable[[Mapping[str, object]], frozenset[str]] = lambda _claims: frozenset()
    """The roles that claims stand for."""

    def __call__(self, claims: Mapping[str, object]) -> Principal | Denied:
        """Whose they are. An issuer need not repeat its name or an end, but what it says has to fit, and an audience has to be there."""
        now = self.wall()
        expires_at, begins_at = claims.get("exp"), claims.get("nbf")
        if claims.get("iss", self.issuer) != self.issuer:
            return Denied("invalid token: another issuer gave it")
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            return Denied("token audience does not match")
        if not _is_time(expires_at) or not _is_time(begins_at):
            return Denied("invalid token: its times are no numbers")
        if expires_at is not None and expires_at + self.leeway_seconds <= now:
            return Denied("token has expired")
        if begins_at is not None and begins_at - self.leeway_seconds > now:
            return Denied("invalid token: it does not hold yet")
        if "cnf" in claims or str(claims.get("token_type", "bearer")).lower() not in ("bearer", "access_token"):
            return Denied("invalid token: it is bound to a key, which is not looked at here")
        subject = claims.get("sub", claims.get("client_id"))
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
            return Denied("invalid token: it names nobody")
        return Principal(
            subject,
            self.issuer,
            scopes_of(claims),
            self.roles_of(claims),
            "introspection",
            claims=MappingProxyType(dict(claims)),
            expires_at=expires_at,
        )


def _is_time(value: object) -> TypeGuard[float | None]:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _END_OF_TIME)
