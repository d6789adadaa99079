"""Whether what is shown to a backend makes sense: ``[backends.auth]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import attrs

from ...protocol.addresses import is_address, is_loopback
from ...protocol.headers import is_header_name, is_header_value
from ...settings.identity import IssuerSettings, OAuthAuth
from ...settings.outward import OutwardSettings
from ..model import BackendConfig, Config
from ..problem import Problem
from .files import unreadable_files

__all__ = ["shown_rules", "shown_warnings"]

_CLIENT = frozenset({"client_id", "issuer", "token_endpoint", "scopes", "resource"})
_KEYS: Mapping[str, frozenset[str]] = {
    "header": frozenset({"header", "value"}),
    "client_credentials": _CLIENT | {"client_secret"},
    "private_key_jwt": _CLIENT | {"key"},
    "authorization_code": frozenset({"client_id", "client_secret", "client_metadata_url", "scopes", "issuer"}),
    "token_exchange": _CLIENT | {"client_secret", "key"},
    "identity": frozenset({"key", "resource"}),
}
"""By the type, the keys that have an effect."""
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "header": ("value",),
    "client_credentials": ("client_id", "client_secret"),
    "private_key_jwt": ("client_id", "key"),
    "authorization_code": (),
    "token_exchange": ("client_id",),
    "identity": (),
}
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_USUAL = OutwardSettings("header")


def shown_rules(index: int, backend: BackendConfig) -> Iterator[Problem]:
    """What is wrong with it, at the backend at that place."""
    auth = backend.shows
    if auth is None or backend.transport in {"stdio", "inprocess"}:  # there it is refused as a whole
        return
    rules = _Rules(f"backends[{index}].{'forward_auth' if backend.auth is None else 'auth'}", backend, auth)
    yield from rules.callers()
    yield from rules.keys()
    yield from rules.alone()
    yield from rules.header()
    yield from rules.server()
    yield from unreadable_files(rules.path, key=auth.key)


def shown_warnings(config: Config) -> Iterator[Problem]:
    """What can run but says less than was probably meant."""
    for index, backend in enumerate(config.backends):
        if backend.auth is not None and backend.auth.type == "token_exchange" and not isinstance(config.auth, IssuerSettings | OAuthAuth):
            what = "callers show no token here that could be exchanged: [auth] is neither of type jwt nor of type oauth"
            yield Problem(None, None, f"backends[{index}].auth", what, 'write [auth] of type "jwt" or "oauth", or another type here')
    for index, backend in enumerate(config.backends if config.auth is None else ()):
        if backend.shows is not None and backend.shows.type == "identity":
            what = "there is no [auth], so nobody has to say who he is, and the backend is told of the gateway alone"
            yield Problem(None, None, f"backends[{index}].{'auth' if backend.auth is not None else 'forward_auth'}", what, "add [auth]")


@attrs.frozen(repr=False)
class _Rules:
    """The rules for one backend."""

    path: str
    backend: BackendConfig
    auth: OutwardSettings

    def callers(self) -> Iterator[Problem]:
        """A connection that all share cannot tell them apart."""
        if (
            self.auth.type in {"identity", "token_exchange"}
            and self.backend.transport in {"websocket", "sse"}
            and self.backend.sessions == "shared"
        ):
            what = f"over {self.backend.transport} a backend is told who calls when the connection is made, which all clients share"
            yield self._at("", what, 'add sessions = "per_client"')
        if self.backend.forward_auth and self.backend.auth is not None:
            yield self._at("", "forward_auth and auth both say what is shown", "keep auth")

    def keys(self) -> Iterator[Problem]:
        """Those that are missing, and those that have no effect."""
        kind = self.auth.type
        for key in _NEEDED[kind]:
            if not getattr(self.auth, key):
                yield self._at(key, f'auth of type "{kind}" requires {key}', f'add {key} = "…"')
        for field in attrs.fields(OutwardSettings):
            key = field.name
            if key != "type" and key not in _KEYS[kind] and getattr(self.auth, key) != getattr(_USUAL, key):
                yield self._at(key, f'{key} has no effect with type = "{kind}"', "leave it out")

    def alone(self) -> Iterator[Problem]:
        """Two who set the same header."""
        sets = self.auth.header.lower() if self.auth.type == "header" else "authorization"
        if any(name.lower() == sets for name in self.backend.headers):
            yield self._at("", f"{self.name} and headers both set {sets.title()}", "keep one of the two")
        if sets != "authorization":
            return
        if self.backend.bearer_token is not None:
            yield self._at("", f"{self.name} and bearer_token both set Authorization", "keep one of the two")
        if "@" in _netloc(self.backend.url or ""):
            yield self._at("", f"{self.name} and the user in url both set Authorization", "keep one of the two")

    def header(self) -> Iterator[Problem]:
        """What cannot be sent."""
        if not is_header_name(self.auth.header):
            yield self._at("header", "invalid header name", "use letters, digits and '-'")
        if self.auth.value is not None and not is_header_value(self.auth.value.reveal()):
            yield self._at("value", "invalid value for a header", "use one line of Latin text without spaces around it")

    def server(self) -> Iterator[Problem]:
        """The authorization server; a secret goes only to one that the operator has named."""
        auth = self.auth
        for key in ("issuer", "token_endpoint", "resource", "client_metadata_url"):
            url = getattr(auth, key)
            if url is not None and not _is_trusted(url):
                yield self._at(key, "this is no https address", 'write "https://host/path" (http for this machine only)')
        if auth.type == "token_exchange" and (auth.client_secret is None) == (auth.key is None):
            yield self._at("client_secret", "the gateway shows a secret or a signature", "write client_secret or key, one of the two")
        if auth.type in {"client_credentials", "token_exchange"} and auth.issuer is None and auth.token_endpoint is None:
            secret = "a secret" if auth.type == "client_credentials" else "a caller's token"
            what = f"{secret} goes only to a server that is named here, not to whichever the backend names"
            yield self._at("issuer", what, 'add issuer = "https://…", or token_endpoint')
        if auth.type == "authorization_code" and auth.client_secret and not (auth.client_id and auth.issuer):
            what = "a secret goes only to a server that is named here, and with the client_id that it belongs to"
            yield self._at("client_secret", what, 'add client_id, and issuer = "https://…"')
        for number, scope in enumerate(auth.scopes):
            if _SCOPE.fullmatch(scope) is None:
                yield self._at(f"scopes[{number}]", "this is no scope", 'write each by itself: ["read", "write"]')

    @property
    def name(self) -> str:
        """The key that says so."""
        return self.path.rpartition(".")[2]

    def _at(self, key: str, what: str, instead: str) -> Problem:
        return Problem(None, None, f"{self.path}.{key}" if key else self.path, what, instead)


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _is_trusted(url: str) -> bool:
    return is_address(url) and (url.lower().startswith("https:") or is_loopback(urlsplit(url).hostname or ""))
