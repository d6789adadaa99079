"""On whose behalf a request comes."""

from __future__ import annotations

import attrs

__all__ = ["NOBODY", "Principal"]


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
    how: str = ""
    """How he has shown it, e.g. ``bearer``."""
    key: str = attrs.field(init=False, eq=False)
    """In sessions, in the log and in rules: no two of different issuers have the same, since an issuer is a URL, without spaces."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.issuer} {self.subject}" if self.issuer else self.subject)


NOBODY = Principal()
"""Whoever calls where nobody has to say who he is."""
