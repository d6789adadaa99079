"""From ``[auth]`` to what knows callers by tokens of an issuer, and says where to get them."""

from __future__ import annotations

from ..config.model import Config, JwtAuth, OAuthAuth
from ..frontends.admission import Admission
from ..identity.active_claims import ActiveClaims
from ..identity.challenges import Challenges
from ..identity.fetching import Fetcher
from ..identity.introspection import LARGEST, SECONDS, Introspection, IntrospectionClient
from ..identity.issued_tokens import ByTheirForm, IssuedTokens, WithTheirTokens
from ..identity.issuer_discovery import IssuerDiscovery, ServerMetadata
from ..identity.kept_verdicts import KeptVerdicts
from ..identity.protected_resource import ProtectedResource
from ..identity.verifying import TokenVerifier
from ..outside import Outside
from ..sources import Sources
from .recognition import Recognition, Task
from .rule_making import roles_by_claims

__all__ = ["by_authorization_server", "by_signatures"]


def by_signatures(config: Config, auth: JwtAuth, admission: Admission, sources: Sources, outside: Outside) -> Recognition:
    """Who knows callers by tokens that issuers have signed."""
    from .trusting import Trusting  # 60 ms and 20 MiB, for what compares signatures

    trusting, issuers = Trusting(sources, outside, roles_by_claims(config)), (auth, *auth.issuers)
    challenges = Challenges(_resource(config, tuple(issuer.issuer for issuer in issuers), admission))
    verifier = trusting.tokens_of(issuers)
    return Recognition(admission, IssuedTokens(_as_needed(config, verifier), challenges), tuple(trusting.tasks), challenges)


def by_authorization_server(config: Config, auth: OAuthAuth, admission: Admission, sources: Sources, outside: Outside) -> Recognition:
    """Who knows callers by the tokens of one server."""
    named = (*auth.required_scopes, *(scope for rule in auth.tool_scopes for scope in rule.scopes))
    challenges = Challenges(_resource(config, (auth.issuer,), admission, tuple(dict.fromkeys(named))), auth.required_scopes)
    about = IssuerDiscovery(auth.issuer, Fetcher(outside.open_http), sources.chance(f"discovery of {auth.issuer}"), _unknown(auth))
    tasks: list[Task] = [about.run, about.fetcher.keep] if about.needs else []
    signed = asked = None
    if auth.verifies:
        from .trusting import Trusting

        trusting = Trusting(sources, outside, roles_by_claims(config), {auth.issuer: about})
        signed = trusting.tokens_of([auth])
        tasks += trusting.tasks
    if auth.asks:
        asked = _introspection(config, auth, about, sources, outside)
        tasks += [asked.run, asked.fetcher.keep]
    verifier = ByTheirForm(signed, asked) if signed and asked else signed or asked
    assert verifier is not None
    return Recognition(admission, IssuedTokens(_as_needed(config, verifier), challenges), tuple(tasks), challenges)


def _as_needed(config: Config, verifier: TokenVerifier) -> TokenVerifier:
    """Callers keep their tokens only where a backend gets another one for them."""
    exchanges = any(backend.auth is not None and backend.auth.type == "token_exchange" for backend in config.backends)
    return WithTheirTokens(verifier) if exchanges else verifier


def _introspection(config: Config, auth: OAuthAuth, about: IssuerDiscovery, sources: Sources, outside: Outside) -> Introspection:
    assert auth.client_id is not None
    assert auth.client_secret is not None
    told = None if auth.introspection_endpoint is None else ServerMetadata(auth.issuer, None, auth.introspection_endpoint)
    return Introspection(
        (lambda: about.found) if told is None else (lambda: told),
        Fetcher(outside.open_http, SECONDS, LARGEST),
        IntrospectionClient(auth.client_id, auth.client_secret.reveal()),
        ActiveClaims(auth.issuer, auth.audience, auth.leeway_seconds, sources.wall, roles_by_claims(config)),
        KeptVerdicts(auth.introspection_cache_seconds, sources.wall),
        about.retry_after,
    )


def _resource(config: Config, issuers: tuple[str, ...], admission: Admission, scopes: tuple[str, ...] = ()) -> ProtectedResource:
    """This gateway, as those who ask for tokens for it are to call it."""
    proxy = config.proxy
    scheme = "http" if proxy.listen.tls is None else "https"
    return ProtectedResource(proxy.name, issuers, scopes, proxy.public_url, scheme, admission.knows_host)


def _unknown(auth: OAuthAuth) -> frozenset[str]:
    """What the server has to tell, since nothing else does."""
    endpoint = {"introspection_endpoint"} if auth.asks and auth.introspection_endpoint is None else set()
    keys = {"jwks_uri"} if auth.verifies and auth.jwks_uri is None and not auth.key_files else set()
    return frozenset(endpoint | keys)
