"""Whether what is said of an authorization server makes sense: the table ``[auth]`` of ``type = "oauth"`` (CFG-95, CFG-98)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...protocol.addresses import is_guarded, is_loopback
from ...protocol.headers import is_scope
from ...settings.identity import OAuthAuth, ToolScopes
from ..model import Config
from ..problem import Problem
from .patterned import pattern_rules

__all__ = ["oauth_rules", "oauth_warnings"]


def oauth_rules(config: Config, auth: OAuthAuth) -> Iterator[Problem]:
    """What is wrong beyond what is wrong with any issuer."""
    if not _is_safe(auth.issuer):
        yield _at("issuer", "clients are sent there, so it is an https address without query and fragment", 'write "https://id.example"')
    if auth.introspection_endpoint is not None and not _is_safe(auth.introspection_endpoint):
        yield _at(
            "introspection_endpoint", "tokens are sent there over TLS alone", "write an https:// address; http:// is for loopback alone"
        )
    if auth.asks and not (auth.client_id and auth.client_secret):
        instead = 'add client_id and client_secret = "${GATE_CLIENT_SECRET}", or write token_validation = "jwt"'
        yield _at("client_id", "who asks about tokens has to show who he is", instead)
    if not _is_known_by_name(config):
        what = "clients must learn the address of this gateway, and what they send as Host is not to be trusted"
        instead = 'write public_url = "https://gate.example", or name the host in security.allowed_hosts'
        yield Problem(None, None, "proxy.public_url", what, instead)
    yield from _scopes("required_scopes", auth.required_scopes)
    for index, rule in enumerate(auth.tool_scopes):
        yield from _tool_scopes(f"tool_scopes[{index}]", rule)


def _tool_scopes(key: str, rule: ToolScopes) -> Iterator[Problem]:
    for name in ("tools", "scopes"):
        if not getattr(rule, name):
            yield _at(f"{key}.{name}", "an empty list says nothing", f"name some {name}, or leave the rule out")
    for index, pattern in enumerate(rule.tools):
        yield from pattern_rules(f"auth.{key}.tools[{index}]", pattern)
    yield from _scopes(f"{key}.scopes", rule.scopes)


def _scopes(key: str, scopes: tuple[str, ...]) -> Iterator[Problem]:
    for index, scope in enumerate(scopes):
        if not is_scope(scope):
            what = "a scope is visible ASCII without blanks, quotes and backslashes"
            yield _at(f"{key}[{index}]", what, 'write one a text: ["mcp:read", "mcp:write"]')


def oauth_warnings(config: Config, auth: OAuthAuth) -> Iterator[Problem]:
    """What can run but is probably not meant."""
    public = config.proxy.public_url
    if public is not None and auth.audience.rstrip("/") not in {public.rstrip("/"), public.rstrip("/") + "/mcp"}:
        what = f"clients ask for tokens for {public.rstrip('/')}/mcp, and only those for this audience are taken"
        yield _at("audience", what, "write that address, unless the server gives tokens for the audience whatever clients ask for")
    if not auth.asks:
        for key in ("client_id", "client_secret", "introspection_endpoint"):
            if getattr(auth, key) is not None:
                yield _at(key, f"{key} has no effect: signed tokens need no question", 'write token_validation = "both", or leave it out')
    elif not auth.verifies and (auth.jwks_uri is not None or auth.key_files):
        key = "jwks_uri" if auth.jwks_uri is not None else "key_files"
        yield _at(key, f"{key} has no effect: the server is asked about each token", 'write token_validation = "both", or leave it out')


def _is_safe(url: str) -> bool:
    return is_guarded(url) and url.isascii() and not re.search(r'[?#@"\\]', url)


def _is_known_by_name(config: Config) -> bool:
    """Whether a request says in ``Host`` nothing but what was allowed by name, or it does not matter what it says."""
    listen, hosts = config.proxy.listen, config.security.allowed_hosts
    on_loopback = listen.unix is None and not listen.systemd and is_loopback(listen.host)
    return config.proxy.public_url is not None or on_loopback or (bool(hosts) and "*" not in hosts)


def _at(key: str, what: str, instead: str) -> Problem:
    return Problem(None, None, f"auth.{key}", what, instead)
