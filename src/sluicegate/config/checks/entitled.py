"""Whether roles, what leads to them and tokens with rules of their own make sense (CFG-91, CFG-93, CFG-94, LIM-25)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from ...protocol.headers import is_token
from ...protocol.names import portable
from ...routing.patterns import BadPattern, Pattern
from ...settings.entitlements import HASHED, LISTS, AccessLists, RoleMappingSettings, ScopedTokenSettings, expiry_of
from ...settings.identity import BearerAuth
from ...settings.search import SEARCH_NAMESPACE
from ..model import Config
from ..problem import Problem
from .patterned import pattern_rules

__all__ = ["entitlement_rules", "entitlement_warnings", "scoped_token_rules"]

_HASH = re.compile(rf"{HASHED}[0-9a-f]{{64}}")
_NAME = re.compile(r"[!-~]([ -~]{0,62}[!-~])?")
_MAKES_ONE = "'sluicegate token new' makes a token and its hash"


def scoped_token_rules(path: str, token: ScopedTokenSettings) -> Iterator[Problem]:
    """What is wrong with one token, its lists aside."""
    if (token.token is None) == (token.hash is None):
        yield _at(path, "it needs either a token or a hash" if token.token is None else "it has a token and a hash", _MAKES_ONE)
    elif token.token is not None and not is_token(token.token.reveal()):
        yield _at(f"{path}.token", "a token must be visible ASCII without spaces, and not empty", _MAKES_ONE)
    elif token.hash is not None and not _HASH.fullmatch(token.hash):
        yield _at(f"{path}.hash", f"a hash is '{HASHED}' and 64 digits, a to f in small letters", _MAKES_ONE)
    if token.name is not None and (not _NAME.fullmatch(token.name) or token.name.startswith("bearer-")):
        yield _at(f"{path}.name", "a name is 1 to 64 visible ASCII characters, and does not begin with 'bearer-'", 'write one such as "ci"')
    if token.expires is not None:
        try:
            expiry_of(token.expires)
        except ValueError as error:
            yield _at(f"{path}.expires", str(error), 'write one such as "2027-01-31T00:00:00Z"')


def entitlement_rules(config: Config) -> Iterator[Problem]:
    """What is wrong with roles, and with all lists of patterns."""
    auth = config.auth
    if auth is None:
        return
    counts = Counter(role.name for role in auth.roles)
    for index, role in enumerate(auth.roles):
        path = f"auth.roles[{index}]"
        if not role.name or any(sign.isspace() for sign in role.name):
            yield _at(f"{path}.name", "the name of a role is a text without blanks", 'write one such as "reader"')
        elif counts[role.name] > 1:
            yield _at(f"{path}.name", f"duplicate role '{role.name}'", "give each a name of its own")
        yield from _lists(path, role, config)
    for index, token in enumerate(auth.scoped_tokens if isinstance(auth, BearerAuth) else ()):
        yield from _lists(f"auth.scoped_tokens[{index}]", token, config)
        yield from _undefined(f"auth.scoped_tokens[{index}].roles", token.roles, counts)
    yield from _mapping_rules(config, counts)


def _mapping_rules(config: Config, defined: Counter[str]) -> Iterator[Problem]:
    """What is wrong with the way from claims to roles."""
    mapping = _mapping(config)
    if mapping is None:
        if defined and not isinstance(config.auth, BearerAuth):
            yield _at("auth.roles", "nobody is given a role", "add [auth.role_mapping], which says whose token leads to which")
        return
    if not mapping.claim:
        yield _at(
            "auth.role_mapping.claim", "the claim must not be empty", 'write the name of one, such as "scope" or "realm_access.roles"'
        )
    if not mapping.mapping:
        yield _at("auth.role_mapping.mapping", "it leads to no role", 'write one, such as { "mcp-reader" = "reader" }')
    for value, role in mapping.mapping.items():
        yield from _undefined(f"auth.role_mapping.mapping.{value}", [role], defined)


def entitlement_warnings(config: Config, now: float) -> Iterator[Problem]:
    """What can run but is probably not meant."""
    auth, mapping = config.auth, _mapping(config)
    if auth is None:
        return
    if mapping is not None and not mapping.default_deny:
        what = "whose token leads to no role may use everything that there is"
        yield _at("auth.role_mapping.default_deny", what, "leave it out, and nobody without a role may do anything")
    given = set(mapping.mapping.values() if mapping is not None else ())
    for index, token in enumerate(auth.scoped_tokens if isinstance(auth, BearerAuth) else ()):
        given |= set(token.roles)
        if token.expires is not None and expiry_of(token.expires) <= now:
            yield _at(f"auth.scoped_tokens[{index}].expires", "the token has expired, and is refused", "take it out, or give it more time")
        yield from _halved_composites(f"auth.scoped_tokens[{index}]", token, config)
    for index, role in enumerate(auth.roles):
        if role.name not in given:
            yield _at(f"auth.roles[{index}]", f"nobody is given the role '{role.name}'", "give it to somebody, or take it out")
        yield from _halved_composites(f"auth.roles[{index}]", role, config)


def _mapping(config: Config) -> RoleMappingSettings | None:
    return getattr(config.auth, "role_mapping", None)


def _undefined(path: str, names: Iterable[str], defined: Counter[str]) -> Iterator[Problem]:
    for name in names:
        if not defined[name]:
            known = ", ".join(map(repr, defined)) or "none"
            yield _at(path, f"there is no role '{name}'", f"define it in [[auth.roles]]; there are: {known}")


def _lists(path: str, lists: AccessLists, config: Config) -> Iterator[Problem]:
    beginnings = _beginnings(config)
    for kind, patterns in (
        *((f"allow_{kind}", lists.allowed()[kind]) for kind in LISTS),
        *((f"deny_{kind}", lists.denied()[kind]) for kind in LISTS),
    ):
        for index, text in enumerate(patterns):
            where = f"{path}.{kind}[{index}]"
            wrong = [_at(where, "the pattern is empty", "write a name, or '*' for all")] if not text else list(pattern_rules(where, text))
            yield from wrong
            exact = None if wrong else Pattern.parse(text).exact
            if exact is not None and not kind.endswith("resources") and not exact.startswith(beginnings):
                yield _at(where, f"'{text}' is the name of nothing that there can be", _instead(exact, config))


def _beginnings(config: Config) -> tuple[str, ...]:
    """How all names begin that there can be."""
    proxy = config.proxy
    prefixes = [backend.prefix(proxy.separator) for backend in config.backends if backend.stands_for is None]
    search = [f"{SEARCH_NAMESPACE}{proxy.separator}"] if proxy.searches_tools else []
    own = [composite.name for composite in config.composite_tools]
    return (*prefixes, *map(portable, prefixes), *search, *own)


def _instead(name: str, config: Config) -> str:
    separator = config.proxy.separator
    for backend in config.backends:
        if backend.prefix("/") and name.startswith(backend.prefix("/")):
            return f"names have the separator '{separator}': write '{backend.prefix(separator)}{name.removeprefix(backend.prefix('/'))}'"
    return "write the name that clients use: the namespace, the separator, the tool's own; or a pattern such as '*_read'"


def _halved_composites(path: str, lists: AccessLists, config: Config) -> Iterator[Problem]:
    """Composite tools that may be called, and call what their caller may not."""
    try:
        allow, deny = _parsed(lists.allow_tools), _parsed(lists.deny_tools)
    except BadPattern:
        return
    limited = any(lists.allowed().values())

    def may(name: str) -> bool:
        return (not limited or any(one.matches(name) for one in allow)) and not any(one.matches(name) for one in deny)

    for composite in config.composite_tools:
        missing = [tool for tool in composite.tools if not may(tool)] if may(composite.name) else []
        if missing:
            what = f"'{composite.name}' may be called, but not what it calls: {', '.join(missing)}; there it is refused"
            yield _at(path, what, "allow these tools, too, or deny the composite")


def _parsed(texts: Iterable[str]) -> list[Pattern]:
    return [Pattern.parse(text) for text in texts]


def _at(path: str, what: str, instead: str) -> Problem:
    return Problem(None, None, path, what, instead)
