"""On whose behalf a request comes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType

import attrs

__all__ = ["NOBODY", "NO_CLAIMS", "NO_ROLE", "Principal"]

NO_CLAIMS: Mapping[str, object] = MappingProxyType({})


NO_ROLE = ""
"""The role of somebody who has shown who he is, and was given none where one is needed: he may do nothing."""


@attrs.frozen(repr=False)
class Principal:
    """Somebody who has shown who he is. What he may do can differ from one request to the next, so he is told apart by `key` alone."""

    subject: str = ""
    """What his issuer calls him; empty where nobody has to say who he is."""
    issuer: str = ""
    """Who vouches for him; empty where that is this gateway's own configuration."""
    scopes: frozenset[str] = frozenset()
    """What he was granted."""
    roles: frozenset[str] = frozenset()
    """What he may do, by the names of the configuration's roles; nothing here is all that clients may."""
    how: str = ""
    """How he has shown it, e.g. ``bearer``."""
    name: str = attrs.field(default="", eq=False, kw_only=True)
    """What he is called in logs; his subject, unless somebody has given him a name."""
    claims: Mapping[str, object] = attrs.field(default=NO_CLAIMS, eq=False, kw_only=True)
    """What his issuer says of him, as JSON has it; nobody may change it."""
    expires_at: float | None = attrs.field(default=None, eq=False, kw_only=True)
    """When that ends, as the time of day in seconds; None where it does not."""
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), kw_only=True)
    """What this request says in the headers that the configuration asks for, each under its name in lower case."""
    shown: bytes = attrs.field(default=b"", eq=False, kw_only=True)
    """The SHA-256 of what he has shown, where the configuration can take that away from him; else nothing."""
    token: bytes = attrs.field(default=b"", eq=False, kw_only=True)
    """What he has shown, where a backend gets another token for it; else it is forgotten as soon as it has been looked at."""
    key: str = attrs.field(init=False, eq=False)
    """In sessions, in the log and in rules: no two of different issuers have the same, since an issuer is a URL, without spaces."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.issuer} {self.subject}" if self.issuer else self.subject)
        if not self.name:
            object.__setattr__(self, "name", self.subject)

    @property
    def standing(self) -> str:
        """Who he is, and what he may do: whoever has the same is the same to a backend that is told who calls.

        What his token is exchanged for can depend on all that it says, so another token of his is another standing.
        """
        shown = blake2b(self.token, digest_size=16).hexdigest() if self.token else ""
        return f"{self.key!r} {sorted(self.scopes)} {sorted(self.roles)} {shown}"

    def may_go_on_for(self, other: Principal) -> bool:
        """Whether somebody may go on with what he has begun as that one: his roles are the same, and no scope is missing.

        A token that was renewed meanwhile is as good as the one before; another one of his that may do less, or has lost something, is not.
        """
        return self is other or (self.roles == other.roles and self.scopes >= other.scopes)


NOBODY = Principal()
"""Whoever calls where nobody has to say who he is."""
