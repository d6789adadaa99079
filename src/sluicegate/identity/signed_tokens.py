"""Whose a signed token is: the cheapest questions first, and a signature only where all others were answered (AUTH-5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import attrs

from ..protocol.principal import Principal
from .issuer_keys import IssuerKeys
from .kept_verdicts import KeptVerdicts
from .newest_first import NewestFirst
from .signed_token import SignedToken, read_signed
from .token_rules import TokenRules
from .verifying import Denied

__all__ = ["KEPT_SECONDS", "MOST_WAITING", "SignedTokens", "TrustedIssuer"]

KEPT_SECONDS = 300.0
"""How long a token is believed without another look at its signature, if it does not end before."""
MOST_WAITING = 256
"""Tokens whose signatures wait for their turn."""
_CROWDED = Denied("too many new tokens at a time; try again later", 1)
_FORGED = Denied("invalid token: its signature is not that of its issuer")


@attrs.frozen(eq=False, repr=False)
class TrustedIssuer:
    """Somebody whose tokens are believed: what they must say, and by which keys."""

    rules: TokenRules
    keys: IssuerKeys


@attrs.define(eq=False, repr=False)
class SignedTokens:
    """Verifies them. A look at a signature takes up to a third of a millisecond, so there is one in each turn of the loop, whoever asks for how many."""

    issuers: Mapping[str, TrustedIssuer]
    """By the name that stands in ``iss``."""
    kept: KeptVerdicts
    _turns: NewestFirst = attrs.field(factory=lambda: NewestFirst(MOST_WAITING), init=False)

    async def verify(self, token: bytes) -> Principal | Denied:
        """Whose it is. What is kept is told without a checkpoint."""
        digest = hashlib.sha256(token).digest()
        return self.kept.find(digest) or await self._looked_at(digest, token)

    async def _looked_at(self, digest: bytes, token: bytes) -> Principal | Denied:
        signed = read_signed(token)
        if isinstance(signed, Denied):
            return signed
        name = signed.claims.get("iss")
        issuer = self.issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            return Denied("invalid token: its issuer is none that is believed here (iss)")
        return issuer.rules.objection(signed) or await self._compared(issuer, signed, digest)

    async def _compared(self, issuer: TrustedIssuer, token: SignedToken, digest: bytes) -> Principal | Denied:
        """Whose it is, if a key of the issuer has signed it; and what else was shown with it meanwhile need not be looked at again."""
        keys = await issuer.keys.candidates(token)
        if isinstance(keys, Denied):
            return keys
        generation = self.kept.generation
        for key in keys:
            async with self._turns.turn() as is_ours:
                if not is_ours:
                    return _CROWDED
                if (known := self.kept.find(digest)) is not None:
                    return known
                if key.has_signed(token):
                    return self._kept(digest, issuer.rules.principal(token), generation)
        return self._kept(digest, _FORGED, generation)

    def _kept(self, digest: bytes, found: Principal | Denied, generation: int) -> Principal | Denied:
        """Holds for later ones, too, unless a key was withdrawn while this one waited for its turns: it may be the one."""
        if generation == self.kept.generation:
            self.kept.keep(digest, found)
        return found
