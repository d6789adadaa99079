"""What callers may use: roles, what of a token's claims stands for which, and bearer tokens with rules of their own (CFG-91, CFG-93, CFG-94)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from .composing import own_first
from .secret import Secret, secret

__all__ = [
    "HASHED",
    "LISTS",
    "AccessLists",
    "RoleConfig",
    "RoleMappingSettings",
    "ScopedTokenSettings",
    "expiry_of",
    "role_of_token",
]

HASHED = "sha256:"
"""What stands before the hash of a token."""
LISTS = ("tools", "resources", "prompts")
"""What there are lists for; templates are resources."""


@attrs.frozen(kw_only=True, repr=False)
class AccessLists:
    """What somebody may use. Where any list allows something, nothing else is allowed, of no kind; what is denied is denied in any case."""

    allow_tools: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["time_*"]})
    """Patterns over names as clients see them."""
    deny_tools: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["*_delete*"]})
    """The same, of tools that nobody who has this may use."""
    allow_resources: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["file:///docs/**"]})
    """Patterns over URIs, and templates, as clients see them or as the backend has them."""
    deny_resources: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["**/.env"]})
    """The same, of what nobody who has this may read."""
    allow_prompts: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["*"]})
    """Patterns over names as clients see them."""
    deny_prompts: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["*_draft"]})
    """The same, of prompts that nobody who has this may use."""
    pages: bool = False
    """Whether whoever has limits may read the gateway's own pages all the same, such as ``/metrics``."""

    def allowed(self) -> dict[str, tuple[str, ...]]:
        """The allow lists, by what they are over."""
        return {kind: getattr(self, f"allow_{kind}") for kind in LISTS}

    def denied(self) -> dict[str, tuple[str, ...]]:
        """The deny lists, by what they are over."""
        return {kind: getattr(self, f"deny_{kind}") for kind in LISTS}


@attrs.frozen(kw_only=True, field_transformer=own_first, repr=False)
class RoleConfig(AccessLists):
    """A role. Who has several may use what any of them allows, but for what any of them denies."""

    name: str = attrs.field(metadata={"example": "reader"})
    """What it is called where it is given to somebody."""


@attrs.frozen(kw_only=True, repr=False)
class RoleMappingSettings:
    """From what a token says to roles."""

    claim: str = attrs.field(metadata={"example": "realm_access.roles"})
    """Which claim says it, with dots between what is nested; its words, or the entries of a list, are looked up in ``mapping``."""
    mapping: Mapping[str, str] = attrs.field(metadata={"example": {"mcp-reader": "reader"}})
    """By what the claim may say, the name of a role; who has several has all of them."""
    default_deny: bool = True
    """Whether somebody for whom that leads to no role may do nothing; else he may do everything."""


@attrs.frozen(kw_only=True, field_transformer=own_first, repr=False)
class ScopedTokenSettings(AccessLists):
    """A token with rules of its own."""

    token: Secret | None = attrs.field(default=None, converter=secret)
    """It itself, or ``hash`` instead."""
    hash: str | None = attrs.field(default=None, metadata={"example": f"sha256:{'0' * 64}"})
    """Its SHA-256: ``sluicegate token new`` makes a token and prints both."""
    name: str | None = attrs.field(default=None, metadata={"example": "ci"})
    """What whoever shows it is called, in logs and everywhere; tokens with the same name are the same caller, one after the other."""
    roles: tuple[str, ...] = ()
    """Roles of ``[[auth.roles]]`` that it has, beside lists of its own."""
    expires: str | None = attrs.field(default=None, metadata={"example": "2027-01-31T00:00:00Z"})
    """From when on it is refused: a date and a time with its zone, or a date, which begins at midnight UTC."""

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the token."""
        if self.hash is not None:
            return bytes.fromhex(self.hash.removeprefix(HASHED))
        return hashlib.sha256(self.token.reveal().encode() if self.token is not None else b"").digest()

    @property
    def expires_at(self) -> float | None:
        """The same as a time of day; None where it does not."""
        return None if self.expires is None else expiry_of(self.expires)


def expiry_of(text: str) -> float:
    """A time of day in seconds; raises `ValueError` with words for whoever wrote it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no date and time") from None
    if moment.tzinfo is None and len(text) > len("2027-01-31"):
        raise ValueError(f"'{text}' does not say in which zone")
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def role_of_token(token: ScopedTokenSettings) -> str:
    """The role that is one token's alone, wherever it stands in the file; no other can be called so."""
    return f"token {token.digest.hex()[:32]}"
