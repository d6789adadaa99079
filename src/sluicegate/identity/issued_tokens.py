"""Callers who show tokens that an issuer gave them: from the header to a principal, or to a refusal that a client of OAuth understands."""

from __future__ import annotations

import base64
import binascii
from weakref import WeakValueDictionary

import attrs
import msgspec

from ..protocol.principal import Principal
from .challenges import Challenges, unavailable
from .identify import Refused, Sent
from .verifying import Denied, TokenVerifier, read_bearer

__all__ = ["ByTheirForm", "IssuedTokens", "WithTheirTokens", "is_jwt"]


@attrs.frozen(eq=False, repr=False)
class IssuedTokens:
    """Asks one verifier, and tells what it says."""

    verifier: TokenVerifier
    challenges: Challenges

    async def identify(self, request: Sent) -> Principal | Refused:
        """Who it is, with all the scopes without which nobody comes in."""
        token = read_bearer(request.headers.authorization)
        if token is None:
            return self.challenges.missing(request)
        found = token if isinstance(token, Denied) else await self.verifier.verify(token)
        if isinstance(found, Denied):
            return self.challenges.invalid(request, found.why) if found.retry_after is None else unavailable(found.retry_after)
        required = self.challenges.required
        if required and not found.scopes.issuperset(required):
            return self.challenges.insufficient(request, required, found.scopes)
        return found


@attrs.frozen(eq=False, repr=False)
class ByTheirForm:
    """What is a JWT is judged as one, whatever comes of it; only of other tokens is the issuer asked (AUTH-10)."""

    signed: TokenVerifier
    opaque: TokenVerifier

    async def verify(self, token: bytes) -> Principal | Denied:
        """Whose it is."""
        return await (self.signed if is_jwt(token) else self.opaque).verify(token)


@attrs.frozen(eq=False, repr=False)
class WithTheirTokens:
    """The same verdicts; whoever is known has his token with him for as long as his request, or his session, lasts.

    He is the same object with each of his requests, as without his token: by that it is seen at once that nothing of him has changed.
    """

    verifier: TokenVerifier
    _present: WeakValueDictionary[bytes, Principal] = attrs.field(factory=WeakValueDictionary, init=False)
    """By his token, whom a session or a request has; nothing is kept of anybody else."""

    async def verify(self, token: bytes) -> Principal | Denied:
        """Whose it is."""
        found = await self.verifier.verify(token)
        if isinstance(found, Denied):
            return found
        present = self._present.get(token)
        if present is None or present.claims is not found.claims:  # of which each verdict has its own
            present = self._present[token] = attrs.evolve(found, token=token)
        return present


def is_jwt(token: bytes) -> bool:
    """Whether it is a signed JWT: three parts of which the first says by which algorithm."""
    head, *rest = token.split(b".", 3)
    if len(rest) != 2:
        return False
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (binascii.Error, msgspec.DecodeError, RecursionError):
        return False
    return isinstance(found, dict) and "alg" in found
