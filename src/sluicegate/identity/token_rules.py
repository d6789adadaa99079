"""Whether a signed token is for us, now, from whom it says (RFC 7519, RFC 8725, RFC 9068; P-140): all that can be told without its key, which is cheap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import attrs
import msgspec

from ..protocol.principal import Principal
from .common_claims import is_meant_for, is_time, subject_of
from .signed_token import SignedToken
from .verifying import Denied, scopes_of

__all__ = ["Claims", "TokenRules"]


class Claims(Mapping[str, object]):
    """What a token says, as it was written: most are never asked for, and ten thousand of them as objects take three times as much memory."""

    __slots__ = ("_json",)

    def __init__(self, json: bytes) -> None:
        self._json = json

    def _read(self) -> dict[str, object]:
        found: dict[str, object] = msgspec.json.decode(self._json)
        return found

    def __getitem__(self, name: str) -> object:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


@attrs.frozen(eq=False, repr=False)
class TokenRules:
    """Those of one issuer."""

    issuer: str
    audience: str
    algorithms: frozenset[str]
    types: frozenset[str]
    """In lower case; with ``jwt`` a token need not say what it is."""
    leeway_seconds: float
    wall: Callable[[], float]
    roles_of: Callable[[Mapping[str, object]], frozenset[str]] = lambda _claims: frozenset()
    """The roles that claims stand for."""

    def objection(self, token: SignedToken) -> Denied | None:
        """Why it is refused, whoever has signed it."""
        if token.algorithm not in self.algorithms:
            return Denied("invalid token: it is signed by an algorithm that is not taken here")
        if token.type not in self.types and (token.type or "jwt" not in self.types):
            return Denied("invalid token: it is of a type that is not taken here (typ)")
        claims = token.claims
        if not is_meant_for(self.audience, claims):
            return Denied("token audience does not match")
        if subject_of(claims) is None:
            return Denied("invalid token: it names nobody (sub)")
        if "cnf" in claims:
            return Denied("invalid token: it is bound to a key, which is not looked at here (cnf)")
        return self._of_time(claims)

    def principal(self, token: SignedToken) -> Principal | Denied:
        """Whose it is, once its signature has been found to be good."""
        claims = token.whole()
        if isinstance(claims, Denied):
            return claims
        subject = subject_of(claims)
        assert subject is not None
        return Principal(
            subject.id,
            self.issuer,
            scopes_of(claims),
            self.roles_of(MappingProxyType(claims)),
            "jwt",
            name=subject.name,
            claims=Claims(token.json),
            expires_at=claims["exp"],
        )

    def _of_time(self, claims: Mapping[str, object]) -> Denied | None:
        now, leeway = self.wall(), self.leeway_seconds
        expires_at, begins_at, issued_at = claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)
        if expires_at is None:
            return Denied("invalid token: it says no end (exp)")
        if not (is_time(expires_at) and is_time(begins_at) and is_time(issued_at)):
            return Denied("invalid token: its times are no numbers (exp, nbf, iat)")
        if expires_at + leeway <= now:
            return Denied("token has expired")
        if begins_at - leeway > now:
            return Denied("invalid token: it does not hold yet (nbf)")
        if issued_at - leeway > now:
            return Denied("invalid token: it was issued in the future (iat)")
        return None
