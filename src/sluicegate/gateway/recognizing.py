"""From a configuration to who may come in: what tells callers apart, of whichever kind ``[auth]`` is, and by which names they may ask."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..config.model import BearerAuth, Config, JwtAuth, MtlsAuth
from ..frontends.admission import Admission
from ..identity.bearer import BearerTokens
from ..identity.certificates import CertifiedCallers
from ..outside import Outside
from ..protocol.addresses import is_loopback
from ..protocol.principal import NOBODY
from ..settings.identity import NAMES
from ..sources import Sources
from .recognition import Recognition
from .rule_making import known_tokens, roles_by_claims

__all__ = ["admission_of", "recognition_of"]


def recognition_of(config: Config, sources: Sources, outside: Outside) -> Recognition:
    """Who tells callers apart; nobody where anybody may call who can connect."""
    admission = admission_of(config)
    match config.auth:
        case None:
            tls = config.proxy.listen.tls
            return Recognition(admission, None if tls is None or tls.client_ca is None else CertifiedCallers(NAMES, otherwise=NOBODY))
        case MtlsAuth(names=names):
            return Recognition(admission, CertifiedCallers(names, roles_of=roles_by_claims(config)))
        case BearerAuth() as known:
            return Recognition(admission, BearerTokens(known_tokens(known), sources.wall))
        case JwtAuth() as auth:
            from .authorizing import by_signatures

            return by_signatures(config, auth, admission, sources, outside)
        case other:
            from .authorizing import by_authorization_server

            return by_authorization_server(config, other, admission, sources, outside)


def admission_of(config: Config) -> Admission:
    """By which names a request may ask, and from which pages."""
    listen = config.proxy.listen
    on_loopback = listen.unix is None and not listen.systemd and is_loopback(listen.host)  # what systemd opened, `Gateway.serve` looks at
    return Admission(on_loopback, _hosts(config, on_loopback), config.security.allowed_origins)


def _hosts(config: Config, on_loopback: bool) -> tuple[str, ...]:
    """The names by which clients may ask; that of the public URL is one, but it does not make of any name only this one."""
    given = config.security.allowed_hosts
    public = urlsplit(config.proxy.public_url or "").netloc
    return (*given, public) if public and (on_loopback or given) else given
