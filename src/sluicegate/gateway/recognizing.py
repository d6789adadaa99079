"""From ``[auth]`` to what tells who calls: the one place that knows which kinds there are."""

from __future__ import annotations

from ..config.model import BearerAuth, Config
from ..identity.bearer import BearerTokens
from ..identity.identify import Identity

__all__ = ["identity_of"]


def identity_of(config: Config) -> Identity | None:
    """Who tells callers apart; None where anybody may call who can connect."""
    match config.auth:
        case None:
            return None
        case BearerAuth(tokens=tokens):
            return BearerTokens(token.reveal() for token in tokens)
        case other:
            raise NotImplementedError(other.type)
