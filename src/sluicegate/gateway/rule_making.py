"""From the roles and tokens of a configuration to who has which roles, and to the rules by which catalogues are narrowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from ..config.model import Config
from ..identity.bearer import KnownToken
from ..identity.claimed_roles import ClaimedRoles
from ..routing.access.role import Role
from ..routing.access.rule_book import RuleBook
from ..settings.entitlements import RoleConfig, RoleMappingSettings, ScopedTokenSettings, role_of_token
from ..settings.identity import BearerAuth

__all__ = ["has_rules", "known_tokens", "roles_by_claims", "roles_in", "rules_of"]


def rules_of(config: Config) -> RuleBook | None:
    """What who may see and use; None where everybody may use all that is there for clients."""
    return RuleBook.of(roles_in(config), refuses_strangers=_refuses_strangers(config)) if has_rules(config) else None


def has_rules(config: Config) -> bool:
    """Whether anybody may see less than others."""
    auth = config.auth
    return auth is not None and bool(auth.roles or (isinstance(auth, BearerAuth) and auth.scoped_tokens) or _refuses_strangers(config))


def _refuses_strangers(config: Config) -> bool:
    mapping = getattr(config.auth, "role_mapping", None)
    return mapping is not None and mapping.default_deny


def roles_in(config: Config) -> Iterator[Role]:
    """All roles in the order of the file, and behind them those that are one token's alone."""
    auth = config.auth
    yield from map(_role, auth.roles if auth is not None else ())
    yield from map(_of_token, auth.scoped_tokens if isinstance(auth, BearerAuth) else ())


def known_tokens(auth: BearerAuth) -> Iterator[KnownToken]:
    """The tokens of a file, and whose they are."""
    for token in auth.tokens:
        yield KnownToken.of(token.reveal())
    for scoped in auth.scoped_tokens:
        roles = frozenset({role_of_token(scoped), *scoped.roles})
        yield KnownToken.of(scoped.digest, name=scoped.name or "", roles=roles, expires_at=scoped.expires_at)


def roles_by_claims(config: Config) -> Callable[[Mapping[str, object]], frozenset[str]]:
    """What gives somebody his roles by what his issuer says of him; to be asked once for each token that was verified."""
    mapping: RoleMappingSettings | None = getattr(config.auth, "role_mapping", None)
    return _no_roles if mapping is None else ClaimedRoles(mapping.claim, mapping.mapping, mapping.default_deny)


def _no_roles(_claims: Mapping[str, object]) -> frozenset[str]:
    return frozenset()


def _role(config: RoleConfig) -> Role:
    return attrs.evolve(Role.parse(config.name, config.allowed(), config.denied()), reads_pages=config.pages)


def _of_token(token: ScopedTokenSettings) -> Role:
    own = Role.parse(role_of_token(token), token.allowed(), token.denied(), is_token=True)
    return attrs.evolve(own, only_denies=bool(token.roles) and not own.names_what_it_allows, reads_pages=token.pages)
