"""Who may use what, and which rule it is, told without a gateway: by the same rules, and by names alone, since nobody is asked what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ..config.model import BearerAuth, Config
from ..identity.bearer import BearerTokens
from ..protocol.calls import Call, Reply
from ..protocol.offers import PROMPTS, RESOURCES, TOOLS, ListKind
from ..protocol.principal import Principal
from ..routing.access.rights import Rights
from ..routing.access.role import Role
from ..routing.access.rule_book import RuleBook
from ..routing.catalogue import Catalogue, Entry, build
from .composite_making import composites_of
from .member import visibility_of
from .rule_making import known_tokens, rules_of
from .searching import exposure_of

__all__ = ["Explained", "FittingRule", "explained", "known_caller"]

KINDS = {"tool": TOOLS, "resource": RESOURCES, "prompt": PROMPTS}


@attrs.frozen
class FittingRule:
    """A pattern that fits."""

    role: str
    """Whose; of a token that has lists of its own ``token``."""
    key: str
    """In which list it is: ``allow_tools`` and so on."""
    pattern: str


@attrs.frozen
class Explained:
    """What came out."""

    allowed: bool
    rules: tuple[FittingRule, ...]
    """Those that fit, in the order of the file."""
    without_lists: tuple[str, ...]
    """The roles that allow everything that they do not deny."""
    words: str
    """What its caller is told; empty where it is allowed."""


def explained(config: Config, roles: frozenset[str], kind: str, name: str) -> Explained:
    """Whether whoever has these roles may use a tool, a resource or a prompt of that name, as clients see it."""
    book, listed = rules_of(config) or RuleBook({}), KINDS[kind]
    whole = _nothing_but_names(config)
    judge = _judge(whole, listed, name)
    rights = book.rights_of(roles)
    having = rights.roles if rights is not None else tuple(role for one, role in book.roles.items() if one in roles)
    allowed = rights is None or judge(rights)
    return Explained(
        allowed,
        tuple(rule for role in having for rule in _rules(role, listed, judge)),
        tuple(_called(role) for role in having if not role.only_denies and not role.names_what_it_allows),
        "" if allowed or rights is None else rights.refusal(listed, name).message,
    )


def known_caller(auth: BearerAuth, token: str) -> Principal | None:
    """Whose a token is, whether or not it has expired."""
    return BearerTokens(known_tokens(auth)).known_by(token.encode(errors="replace"))


def _nothing_but_names(config: Config) -> Catalogue:
    proxy = config.proxy
    shown = [backend for backend in config.backends if backend.enabled]
    return build(
        [Entry(one.name, one.effective_namespace, _nobody, visibility_of(one)) for one in shown],
        separator=proxy.separator,
        max_tool_name=proxy.max_tool_name,
        portable=proxy.portable_names,
        composites=composites_of(config),
        exposure=exposure_of(config),
        keeps_entries=True,
    )


async def _nobody(call: Call) -> Reply:
    raise AssertionError(call.method)


def _judge(whole: Catalogue, kind: ListKind, name: str) -> Callable[[Rights], bool]:
    """What says whether somebody's rights go so far."""
    own = {entry for entry, _data in whole.pages[TOOLS.method].entries} if kind is TOOLS else set()
    table = whole.table
    if name in own:
        return lambda rights: rights.permits_own(name, unless_denied=name in whole.finders)
    return lambda rights: (
        not attrs.evolve(table, rights=rights, namespaces=tuple(attrs.evolve(one, rights=rights) for one in table.namespaces)).denies(
            kind, name
        )
    )


def _rules(role: Role, kind: ListKind, judge: Callable[[Rights], bool]) -> Iterator[FittingRule]:
    """Each pattern of a role that fits, found by judging with it alone."""
    for pattern in role.allow.get(kind.capability, ()):
        if judge(Rights((Role("", allow={kind.capability: (pattern,)}),))):
            yield FittingRule(_called(role), f"allow_{kind.capability}", pattern.text)
    for pattern in role.deny.get(kind.capability, ()):
        if not judge(Rights((Role("", deny={kind.capability: (pattern,)}),))):
            yield FittingRule(_called(role), f"deny_{kind.capability}", pattern.text)


def _called(role: Role) -> str:
    return "token" if role.is_token else role.name
