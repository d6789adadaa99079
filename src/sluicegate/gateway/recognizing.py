"""From ``[auth]`` to what tells who calls: the one place that knows which kinds there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from ..config.model import BearerAuth, Config, JwtAuth
from ..identity.bearer import BearerTokens
from ..identity.challenges import Challenges
from ..identity.identify import Identity
from ..identity.issued_tokens import IssuedTokens
from ..identity.protected_resource import ProtectedResource
from ..outside import Outside
from ..sources import Sources

__all__ = ["Recognition", "Task", "recognition"]

Task = Callable[[], Awaitable[None]]


@attrs.frozen(eq=False, repr=False)
class Recognition:
    """What tells callers apart, and what belongs to it."""

    identity: Identity | None = None
    """None where anybody may call who can connect."""
    tasks: tuple[Task, ...] = ()
    """What has to run beside it."""
    resource: ProtectedResource | None = None
    """What the gateway is to an authorization server, where it takes the tokens of one."""


def recognition(config: Config, sources: Sources, outside: Outside, may_repeat: Callable[[tuple[bytes, ...]], bool]) -> Recognition:
    """Put it together; ``may_repeat`` says whether a ``Host`` may be told to others, see `ProtectedResource`."""
    match config.auth:
        case None:
            return Recognition()
        case BearerAuth(tokens=tokens):
            return Recognition(BearerTokens(token.reveal() for token in tokens))
        case JwtAuth() as auth:
            from .trusting import Trusting  # 60 ms and 20 MiB, for what compares signatures

            trusting = Trusting(sources, outside)
            issuers = (auth, *auth.issuers)
            verifier = trusting.tokens_of(issuers)
            resource = _resource(config, tuple(issuer.issuer for issuer in issuers), may_repeat)
            return Recognition(IssuedTokens(verifier, Challenges(resource)), tuple(trusting.tasks), resource)


def _resource(config: Config, servers: tuple[str, ...], may_repeat: Callable[[tuple[bytes, ...]], bool]) -> ProtectedResource:
    proxy = config.proxy
    scheme = "http" if proxy.listen.tls is None else "https"
    return ProtectedResource(proxy.name, servers, public_url=proxy.public_url, scheme=scheme, may_repeat=may_repeat)
