"""From what is said of an issuer to what looks at its tokens: its rules, its keys, and the tasks that fetch these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import attrs

from ..config.model import IssuerSettings
from ..identity.fetching import Fetcher
from ..identity.issuer_discovery import IssuerDiscovery
from ..identity.issuer_keys import FetchedKeys, GivenKeys, IssuerKeys
from ..identity.kept_verdicts import KeptVerdicts
from ..identity.signed_tokens import KEPT_SECONDS, SignedTokens, TrustedIssuer
from ..identity.signing_keys import KeySet, read_key_file
from ..identity.token_rules import TokenRules
from ..outside import Outside
from ..sources import Sources

__all__ = ["Trusting"]


@attrs.define(eq=False, repr=False)
class Trusting:
    """Puts the parts together. Whoever is asked, it is over the connections of one fetcher."""

    sources: Sources
    outside: Outside
    roles_of: Callable[[Mapping[str, object]], frozenset[str]]
    """The roles that claims stand for."""
    _known: dict[str, IssuerDiscovery] = attrs.field(factory=dict)
    """What asks issuers about themselves already, by their names."""
    tasks: list[Callable[[], Awaitable[None]]] = attrs.field(factory=list, init=False)
    """What has to run as long as tokens are looked at."""
    fetcher: Fetcher = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.fetcher = Fetcher(self.outside.open_http)
        self.tasks.append(self.fetcher.keep)

    def tokens_of(self, issuers: Iterable[IssuerSettings]) -> SignedTokens:
        """What verifies the signed tokens of these."""
        kept = KeptVerdicts(KEPT_SECONDS, self.sources.wall)
        trusted = (TrustedIssuer(self._rules(issuer), self._keys(issuer, kept.forget)) for issuer in issuers)
        return SignedTokens({issuer.rules.issuer: issuer for issuer in trusted}, kept)

    def discovery(self, issuer: str) -> IssuerDiscovery:
        """What asks an issuer about itself, from the start on."""
        if issuer in self._known:
            return self._known[issuer]
        found = IssuerDiscovery(issuer, self.fetcher, self.sources.chance(f"discovery of {issuer}"))
        self.tasks.append(found.run)
        return found

    def _rules(self, issuer: IssuerSettings) -> TokenRules:
        types = frozenset(kind.lower().removeprefix("application/") for kind in issuer.token_types)
        algorithms = frozenset(issuer.algorithms)
        return TokenRules(issuer.issuer, issuer.audience, algorithms, types, issuer.leeway_seconds, self.sources.wall, self.roles_of)

    def _keys(self, issuer: IssuerSettings, on_withdrawn: Callable[[], None]) -> IssuerKeys:
        if issuer.key_files:
            sets = [read_key_file(Path(name).read_bytes()) for name in issuer.key_files]
            return GivenKeys(KeySet(tuple(key for keys in sets for key in keys.keys)))
        chance = self.sources.chance(f"keys of {issuer.issuer}")
        keys = FetchedKeys(issuer.issuer, self._address(issuer), self.fetcher, chance, on_withdrawn)
        self.tasks.append(keys.run)
        return keys

    def _address(self, issuer: IssuerSettings) -> Callable[[], Awaitable[str | None]]:
        """Where its keys are: where the file says so, or else the issuer itself."""
        uri = issuer.jwks_uri
        if uri is not None:
            return _known(uri)
        discovery = self.discovery(issuer.issuer)

        async def ask() -> str | None:
            return (await discovery.wait_found()).jwks_uri

        return ask


def _known(uri: str) -> Callable[[], Awaitable[str | None]]:
    async def tell() -> str:
        return uri

    return tell
