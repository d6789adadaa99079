"""Whether a token that its issuer calls active is for us, and whose it is: what a question about it leaves to whoever asked (AUTH-9, P-140)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeGuard

import attrs

from ..protocol.principal import Principal
from .common_claims import is_meant_for, is_time, subject_of
from .verifying import Denied, scopes_of

__all__ = ["ActiveClaims"]


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
        if not is_meant_for(self.audience, claims):
            return Denied("token audience does not match")
        if not (_may_be_time(expires_at) and _may_be_time(begins_at)):
            return Denied("invalid token: its times are no numbers")
        if expires_at is not None and expires_at + self.leeway_seconds <= now:
            return Denied("token has expired")
        if begins_at is not None and begins_at - self.leeway_seconds > now:
            return Denied("invalid token: it does not hold yet")
        if "cnf" in claims or str(claims.get("token_type", "bearer")).lower() not in ("bearer", "access_token"):
            return Denied("invalid token: it is bound to a key, which is not looked at here")
        subject = subject_of(claims)
        if subject is None:
            return Denied("invalid token: it names nobody")
        return Principal(
            subject.id,
            self.issuer,
            scopes_of(claims),
            self.roles_of(claims),
            "introspection",
            name=subject.name,
            claims=MappingProxyType(dict(claims)),
            expires_at=expires_at,
        )


def _may_be_time(value: object) -> TypeGuard[float | None]:
    return value is None or is_time(value)
