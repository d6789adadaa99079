"""How callers are told apart: the kinds of ``[auth]``, of which a file has one, by its ``type``."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from .composing import own_first
from .entitlements import RoleConfig, RoleMappingSettings, ScopedTokenSettings
from .ranges import Range
from .secret import Secret, secret, secrets

__all__ = ["ALGORITHMS", "NAMES", "AuthConfig", "BearerAuth", "IssuerSettings", "JwtAuth", "MtlsAuth", "OAuthAuth", "ToolScopes"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Of RFC 7518, 8037 and 9864, those without a shared secret, which neither a set of keys nor this gateway has any business with."""
NAMES = ("URI", "DNS", "email")
"""Kinds of alternative names in a certificate that may be somebody's."""
_KEPT = Range(0, 300, words="must be 0-300", instead="write 0 to ask with each request")
_LEEWAY = Range(0, 600, words="must be 0-600", instead="write how many seconds clocks may differ, such as 60")


@attrs.frozen(repr=False)
class BearerAuth:
    """Clients show one of these tokens."""

    tokens: tuple[Secret, ...] = attrs.field(default=(), converter=secrets)
    """Tokens without limits; any of them will do."""
    scoped_tokens: tuple[ScopedTokenSettings, ...] = ()
    """Tokens that may do less, have names, or end."""
    roles: tuple[RoleConfig, ...] = ()
    """What callers may use who were given one of them."""
    type: Literal["bearer"] = "bearer"
    """The client shows a token: ``Authorization: Bearer …``."""


@attrs.frozen(kw_only=True, repr=False)
class IssuerSettings:
    """Somebody whose signed tokens are believed."""

    issuer: str = attrs.field(metadata={"example": "https://id.example"})
    """Who signs: the ``iss`` of its tokens, letter by letter."""
    audience: str = attrs.field(metadata={"example": "https://gate.example/mcp"})
    """For whom its tokens must be made: one ``aud`` of theirs."""
    jwks_uri: str | None = attrs.field(default=None, metadata={"example": "https://id.example/jwks.json"})
    """Where its keys are, as a JSON Web Key Set; what the issuer says of itself unless given, or ``key_files``."""
    key_files: tuple[str, ...] = ()
    """Files with its keys instead, relative to this one: a JSON Web Key Set each, or a public key or certificate in PEM."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
    """By which its tokens may be signed."""
    token_types: tuple[str, ...] = ("JWT", "at+jwt")
    """What ``typ`` may be in the head of its tokens; one that says nothing of it is taken where "JWT" is among them."""
    leeway_seconds: float = attrs.field(default=60.0, validator=_LEEWAY)
    """How much its clock may differ from ours, where ``exp``, ``nbf`` and ``iat`` are looked at."""


@attrs.frozen(kw_only=True, field_transformer=own_first, repr=False)
class JwtAuth(IssuerSettings):
    """Clients show tokens that an issuer has signed (RFC 9068)."""

    type: Literal["jwt"] = "jwt"
    """The client shows a signed token: ``Authorization: Bearer …``."""
    issuers: tuple[IssuerSettings, ...] = ()
    """Others whose tokens are believed, too; each has the keys above of its own."""
    roles: tuple[RoleConfig, ...] = ()
    """What callers may use who were given one of them."""
    role_mapping: RoleMappingSettings | None = None
    """From what tokens say to roles."""


@attrs.frozen(kw_only=True, repr=False)
class ToolScopes:
    """What the callers of some tools must have been granted."""

    tools: tuple[str, ...] = attrs.field(metadata={"example": ["files_write*"]})
    """Patterns over names as clients see them."""
    scopes: tuple[str, ...] = attrs.field(metadata={"example": ["mcp:write"]})
    """All of these."""


@attrs.frozen(kw_only=True, field_transformer=own_first, repr=False)
class OAuthAuth(IssuerSettings):
    """Clients get their tokens where this gateway sends them: at an authorization server, which is asked about itself."""

    type: Literal["oauth"] = "oauth"
    """The client is told where to get a token, and shows it: ``Authorization: Bearer …``."""
    token_validation: Literal["jwt", "introspection", "both"] = "jwt"  # noqa: S105  no password, how one is looked at
    """How a token is looked at: "jwt", by its signature; "introspection", the server is asked; "both", it is asked about what is no JWT."""
    client_id: str | None = attrs.field(default=None, metadata={"example": "gate"})
    """Who the gateway is to the server, where it asks."""
    client_secret: Secret | None = attrs.field(default=None, converter=secret, metadata={"example": "${GATE_CLIENT_SECRET}"})
    """By which it shows that."""
    introspection_endpoint: str | None = attrs.field(default=None, metadata={"example": "https://id.example/introspect"})
    """Where it asks; what the server says of itself unless given, as with jwks_uri."""
    introspection_cache_seconds: float = attrs.field(default=30.0, validator=_KEPT)
    """How long an answer is believed; a token that is withdrawn is good for as long. 0 asks with each request."""
    required_scopes: tuple[str, ...] = ()
    """What each caller must have been granted, all of it."""
    tool_scopes: tuple[ToolScopes, ...] = ()
    """What the callers of some tools must have been granted besides."""
    roles: tuple[RoleConfig, ...] = ()
    """What callers may use who were given one of them."""
    role_mapping: RoleMappingSettings | None = None
    """From what tokens say to roles."""

    @property
    def verifies(self) -> bool:
        """Whether signatures are looked at."""
        return self.token_validation in {"jwt", "both"}

    @property
    def asks(self) -> bool:
        """Whether the server is asked about tokens."""
        return self.token_validation in {"introspection", "both"}


@attrs.frozen(kw_only=True, repr=False)
class MtlsAuth:
    """Clients show the certificate with which they connect; see ``proxy.listen.tls.client_ca``."""

    type: Literal["mtls"] = "mtls"
    """The client is who its certificate is made out to."""
    names: tuple[str, ...] = NAMES
    """Which alternative names of a certificate may be its owner's, the first choice first."""
    roles: tuple[RoleConfig, ...] = ()
    """What callers may use who were given one of them."""
    role_mapping: RoleMappingSettings | None = None
    """From what certificates say to roles: ``san`` lists their names, such as "DNS:build.example", and ``name`` is the owner's."""


AuthConfig: TypeAlias = BearerAuth | JwtAuth | OAuthAuth | MtlsAuth
"""What ``[auth]`` may be. Each class says in ``type`` what it is called there; the first is meant where a file says nothing of it."""
