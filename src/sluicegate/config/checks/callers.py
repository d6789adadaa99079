"""Whether what is said of callers makes sense: the table ``[auth]`` (CFG-90, CFG-92)."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from ...protocol.addresses import is_guarded
from ...protocol.headers import is_token
from ...settings.identity import ALGORITHMS, NAMES, BearerAuth, IssuerSettings, JwtAuth, MtlsAuth, OAuthAuth
from ..model import Config
from ..problem import Problem
from .authorization import oauth_rules, oauth_warnings
from .entitled import entitlement_rules, entitlement_warnings, scoped_token_rules
from .key_files import key_file_rules

__all__ = ["caller_rules", "caller_warnings"]

_SHORT = 16
"""Characters; a token below that can be guessed."""


def caller_rules(config: Config) -> Iterator[Problem]:
    """What is wrong with it, whichever kind it is of."""
    if isinstance(config.auth, BearerAuth):
        yield from _bearer(config.auth)
    elif isinstance(config.auth, JwtAuth):
        yield from _jwt(config.auth)
    elif isinstance(config.auth, OAuthAuth):
        yield from _issuer("auth", config.auth)
        yield from oauth_rules(config, config.auth)
    elif isinstance(config.auth, MtlsAuth):
        yield from _mtls(config, config.auth)
    yield from entitlement_rules(config)


def caller_warnings(config: Config, now: float) -> Iterator[Problem]:
    """What can run but is probably not meant."""
    for index, token in enumerate(config.auth.tokens if isinstance(config.auth, BearerAuth) else ()):
        if len(token) < _SHORT:
            yield _at(f"auth.tokens[{index}]", f"the token has under {_SHORT} characters and can be guessed", "use a long random one")
    if isinstance(config.auth, OAuthAuth):
        yield from oauth_warnings(config, config.auth)
    for index, scoped in enumerate(config.auth.scoped_tokens if isinstance(config.auth, BearerAuth) else ()):
        if scoped.token is not None and len(scoped.token) < _SHORT:
            path = f"auth.scoped_tokens[{index}].token"
            yield _at(path, f"the token has under {_SHORT} characters and can be guessed", "make one with 'sluicegate token new'")
    yield from entitlement_warnings(config, now)


def _bearer(auth: BearerAuth) -> Iterator[Problem]:
    if not auth.tokens and not auth.scoped_tokens:
        yield _at("auth.tokens", "bearer auth requires at least one token", 'write tokens = ["${GATE_TOKEN}"]')
    for index, token in enumerate(auth.tokens):
        if not is_token(token.reveal()):
            yield _at(f"auth.tokens[{index}]", "a token must be visible ASCII without spaces, and not empty", "use a long random one")
    first: dict[bytes, str] = {}
    for index, token in enumerate(auth.tokens):
        place = first.setdefault(sha256(token.reveal().encode()).digest(), f"tokens[{index}]")
        if token and place != f"tokens[{index}]":
            yield _at(f"auth.tokens[{index}]", f"duplicate bearer token: the same as {place}", "keep one of the two")
    for index, scoped in enumerate(auth.scoped_tokens):
        found = list(scoped_token_rules(f"auth.scoped_tokens[{index}]", scoped))
        yield from found
        place = f"scoped_tokens[{index}]" if found else first.setdefault(scoped.digest, f"scoped_tokens[{index}]")
        if place != f"scoped_tokens[{index}]":
            yield _at(f"auth.scoped_tokens[{index}]", f"duplicate bearer token: the same as {place}", "keep one of the two")


def _mtls(config: Config, auth: MtlsAuth) -> Iterator[Problem]:
    tls = config.proxy.listen.tls
    if tls is None or tls.client_ca is None:
        yield _at(
            "proxy.listen.tls.client_ca", "no client is asked for a certificate", 'write client_ca = "clients.pem", or another auth.type'
        )
    if not auth.names:
        yield _at("auth.names", "without names nobody is known", f"write some of {', '.join(NAMES)}")
    for index, name in enumerate(auth.names):
        if name not in NAMES:
            yield _at(f"auth.names[{index}]", f"'{name}' is no kind of name in a certificate", f"write some of {', '.join(NAMES)}")


def _jwt(auth: JwtAuth) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for path, issuer in (("auth", auth), *((f"auth.issuers[{index}]", other) for index, other in enumerate(auth.issuers))):
        yield from _issuer(path, issuer)
        if first.setdefault(issuer.issuer, path) != path:
            yield _at(f"{path}.issuer", f"'{issuer.issuer}' stands in [{first[issuer.issuer]}], too", "keep one of the two")


def _issuer(path: str, issuer: IssuerSettings) -> Iterator[Problem]:
    if not issuer.issuer or any(sign.isspace() for sign in issuer.issuer):
        yield _at(f"{path}.issuer", "an issuer is a text without blanks", "write the iss of its tokens, letter by letter")
    if not issuer.audience:
        yield _at(f"{path}.audience", "the audience must not be empty", "write the aud of tokens that are meant for this gateway")
    if issuer.jwks_uri is not None and issuer.key_files:
        yield _at(f"{path}.jwks_uri", "keys are named twice", "write jwks_uri or key_files")
    if issuer.jwks_uri is None and not issuer.key_files and not is_guarded(issuer.issuer):
        what = "no keys are named, and an issuer that is no https:// address cannot be asked where they are"
        yield _at(f"{path}.jwks_uri", what, 'write jwks_uri = "https://…", or key_files = ["keys.json"]')
    if issuer.jwks_uri is not None and not is_guarded(issuer.jwks_uri):
        yield _at(f"{path}.jwks_uri", "keys must come over TLS", "write an https:// address; http:// is for loopback alone")
    yield from key_file_rules(path, issuer)
    if not issuer.algorithms:
        yield _at(f"{path}.algorithms", "without algorithms no token is taken", f"write some of {', '.join(ALGORITHMS)}")
    for index, name in enumerate(issuer.algorithms):
        if name not in ALGORITHMS:
            what = f"'{name}' has a shared secret" if name.startswith("HS") else f"'{name}' is no algorithm that is taken"
            yield _at(f"{path}.algorithms[{index}]", what, f"write some of {', '.join(ALGORITHMS)}")
    if not issuer.token_types:
        yield _at(f"{path}.token_types", "without types no token is taken", 'write token_types = ["JWT", "at+jwt"]')


def _at(path: str, what: str, instead: str) -> Problem:
    return Problem(None, None, path, what, instead)
