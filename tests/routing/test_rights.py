"""What callers may see and use, by their roles: against a reference that knows nothing of how it is done (AUTH-4, RBAC-2, RBAC-5, LIM-25)."""

from __future__ import annotations

import os
import random
import re

import attrs
import pytest

from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import KINDS, PROMPTS, RESOURCES, TEMPLATES, TOOLS, Hello, Item, ListKind, Offer
from sluicegate.protocol.principal import NO_ROLE, Principal
from sluicegate.routing.access.role import Role
from sluicegate.routing.access.rule_book import RuleBook
from sluicegate.routing.catalogue import Catalogue, Entry, build
from sluicegate.routing.directory import Directory, ListChange
from sluicegate.routing.routes import Route
from sluicegate.routing.visibility import Visibility

TRIPLES = int(os.environ.get("ACCESS_TRIPLES", "6000"))
"""The million of them takes a few minutes, and is for who changes what decides."""
Lists = dict[str, list[str]]


async def nobody(call: Call) -> Reply:
    raise AssertionError(call.target)


def offer(**lists: tuple[str, ...]) -> Offer:
    kinds = {kind.member: kind for kind in KINDS}
    items = {kind: tuple(Item(key, {kind.key: Raw(encode(key))}) for key in lists.get(name, ())) for name, kind in kinds.items()}
    return Offer(Hello("2025-11-25", dict.fromkeys(("tools", "resources", "prompts"), Raw(b"{}")), {}), items)


def role(name: str, allow: Lists | None = None, deny: Lists | None = None) -> Role:
    return Role.parse(name, allow or {}, deny or {})


def seen(catalogue: Catalogue, *roles: Role, having: set[str] | None = None) -> Catalogue:
    book = RuleBook.of(roles)
    names = frozenset(one.name for one in roles) if having is None else frozenset(having)
    return book.part_for(attrs.evolve(catalogue), Principal("ada", roles=names))  # what was made of it is for other rules


def names(catalogue: Catalogue, kind: ListKind) -> list[str]:
    assert catalogue.pages[kind.method].first.fault is None
    return list(catalogue.names(kind))


def may_use(catalogue: Catalogue, kind: ListKind, name: str) -> bool:
    """Whether a name leads where it leads for those who may use everything."""
    found, meant = catalogue.table.find(kind, name), (catalogue.whole or catalogue).table.find(kind, name)
    return isinstance(found, Route) and isinstance(meant, Route) and bytes(found.local) == bytes(meant.local)


OFFERS = {
    "files": offer(
        tools=("read", "Read", "read_all", "delete", "x" * 70),
        resources=("file:///docs/a", "file:///docs/b c", "file:///etc/passwd", "ui://w/view.html"),
        resourceTemplates=("file:///docs/{name}", "file:///{path}"),
        prompts=("ask", "draft"),
    ),
    "git": offer(tools=("log", "read", "a.b"), resources=("file:///docs/a", "https://h/x"), prompts=("ask",)),
}
ALIASED = Visibility(aliases={"delete": "remove"})


def whole(**settings: bool) -> Catalogue:
    entries = [Entry(name, name, nobody, ALIASED if name == "files" else Visibility(), given) for name, given in OFFERS.items()]
    return build(entries, separator="_", portable=settings.get("portable", True), keeps_entries=True)


WHOLE = whole()

# -- the reference: words for what is meant, and nothing of how it is done


def glob(pattern: str, text: str, *, folds: bool) -> bool:
    """``*`` and ``?`` stop at a slash, ``**`` does not, ``**/`` may be nothing, ``!`` turns round."""
    if pattern.startswith("!"):
        return not glob(pattern[1:], text, folds=not folds)
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    kinds = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return (
        re.fullmatch("".join(kinds.get(part, re.escape(part)) for part in parts), text, re.DOTALL | (re.IGNORECASE if folds else 0))
        is not None
    )


def permitted(roles: list[tuple[Lists, Lists]], kind: str, known_as: set[str]) -> bool:
    """A union of what roles allow, without what any of them denies; one that allows something allows nothing else, of no kind."""
    if any(glob(pattern, name, folds=True) for _, deny in roles for pattern in deny.get(kind, ()) for name in known_as):
        return False
    for allow, _ in roles:
        if not any(allow.values()):
            return True
        if any(glob(pattern, name, folds=False) for pattern in allow.get(kind, ()) for name in known_as):
            return True
    return False


KNOWN_AS = {
    TOOLS: {
        "files_read": {"files_read"},
        "files_Read": {"files_Read"},
        "files_read_all": {"files_read_all"},
        "files_remove": {"files_remove", "files_delete"},
        next(name for name in WHOLE.names(TOOLS) if "xxx" in name): {
            "files_" + "x" * 70,
            next(name for name in WHOLE.names(TOOLS) if "xxx" in name),
        },
        "git_log": {"git_log"},
        "git_read": {"git_read"},
        next(name for name in WHOLE.names(TOOLS) if name.startswith("git_a")): {
            "git_a.b",
            next(name for name in WHOLE.names(TOOLS) if name.startswith("git_a")),
        },
    },
    PROMPTS: {"files_ask": {"files_ask"}, "files_draft": {"files_draft"}, "git_ask": {"git_ask"}},
    RESOURCES: {
        "files+file:///docs/a": {"files+file:///docs/a", "file:///docs/a"},
        "files++:file:///docs/b%20c": {"files+file:///docs/b c", "files++:file:///docs/b%20c", "file:///docs/b c"},
        "files+file:///etc/passwd": {"files+file:///etc/passwd", "file:///etc/passwd"},
        "ui://w/view.html#files": {"ui://w/view.html#files", "ui://w/view.html"},
        "git+file:///docs/a": {"git+file:///docs/a", "file:///docs/a"},
        "https://h/x#git": {"https://h/x#git", "https://h/x"},
    },
}
PATTERNS: dict[ListKind, list[str]] = {
    TOOLS: [
        "*",
        "files_*",
        "git_*",
        "*_read",
        "files_read",
        "files_delete",
        "files_remove",
        "*x",
        "!git_*",
        "FILES_READ",
        "git_a?b",
        "git_lo?",
        "**",
    ],
    PROMPTS: ["*", "*_ask", "files_*", "git_ask", "!files_draft"],
    RESOURCES: ["**", "files+file:///docs/*", "file:///docs/**", "file:///etc/passwd", "git+**", "ui://**", "https://h/x", "**/a"],
}


def drawn(chance: random.Random) -> tuple[Lists, Lists]:
    def lists(most: int) -> Lists:
        picked = chance.sample(list(PATTERNS), chance.randint(0, 2))
        return {kind.capability: chance.sample(PATTERNS[kind], chance.randint(0, most)) for kind in picked}

    return lists(3), lists(2)


def test_what_is_decided_is_what_the_words_say() -> None:
    """Of random principals, sets of rules and targets none is judged otherwise than by the reference, in lists and in calls."""
    chance, asked = random.Random(13), 0
    while asked < TRIPLES:
        roles = {f"r{number}": drawn(chance) for number in range(4)}
        book, catalogue = RuleBook.of([role(name, *lists) for name, lists in roles.items()]), attrs.evolve(WHOLE)
        for _ in range(4):
            having = frozenset(chance.sample(list(roles), chance.randint(1, 3)))
            part = book.part_for(catalogue, Principal("ada", roles=having))
            for kind, targets in KNOWN_AS.items():
                for name, known_as in targets.items():
                    expected = permitted([roles[one] for one in having], kind.capability, known_as)
                    assert (name in part.table.listed[kind.method]) is expected, (roles, having, name)
                    assert all(may_use(part, kind, one) is expected for one in known_as if may_use(WHOLE, kind, one)), (
                        roles,
                        having,
                        name,
                    )
                    asked += 1


# -- what a spelling, an alias, another name or no role is not to change


@pytest.mark.parametrize(
    "spelling",
    [
        "files+file:///etc/passwd",
        "files+file:///etc//passwd",
        "files+file:///etc/%70asswd",
        "files+file:///docs/../etc/passwd",
        "files+file:///docs/%2e%2e/etc/passwd",
        "files+file:///docs/..%2fetc/passwd",
        "files+file:///docs/%252e%252e/etc/passwd",
        "files+file://localhost/etc/passwd",
        "FILES+file:///etc/passwd",
        "files++:file:///etc/passwd",
        "files++:file:%2F%2F%2Fetc%2Fpasswd",
        "files+file:///docs\\..\\etc\\passwd",
    ],
)
@pytest.mark.parametrize(
    "lists", [({}, {"resources": ["file:///etc/**"]}), ({"resources": ["files+file:///docs/**"]}, {}), ({"resources": ["**/docs/*"]}, {})]
)
def test_a_uri_is_denied_in_every_spelling(spelling: str, lists: tuple[Lists, Lists]) -> None:
    part = seen(WHOLE, role("r", *lists))
    assert not may_use(part, RESOURCES, spelling)
    assert may_use(part, RESOURCES, "files+file:///docs/a")
    assert may_use(part, RESOURCES, "files+file:///docs/new"), "what a template leads to is judged by what it is"


def test_a_template_is_shown_where_a_pattern_fits_it() -> None:
    assert names(seen(WHOLE, role("r", {"resources": ["file:///docs/**"]})), TEMPLATES) == ["files+file:///docs/{name}"]
    assert len(names(seen(WHOLE, role("r", {}, {"resources": ["file:///docs/**"]})), TEMPLATES)) == 1


def test_a_long_name_is_denied_by_each_of_its_names() -> None:
    full = "files_" + "x" * 70
    (short,) = (name for name in WHOLE.names(TOOLS) if "xxx" in name)
    for pattern in (full, short):
        part = seen(WHOLE, role("r", {}, {"tools": [pattern]}))
        assert (may_use(part, TOOLS, full), may_use(part, TOOLS, short)) == (False, False)


def test_a_tool_is_denied_by_the_name_that_it_had_before_its_alias() -> None:
    part = seen(WHOLE, role("r", {}, {"tools": ["files_delete"]}))
    assert not may_use(part, TOOLS, "files_remove")


def test_who_may_use_some_tools_may_use_no_resources_or_prompts_unless_that_is_said() -> None:
    part = seen(WHOLE, role("r", {"tools": ["*"]}))
    assert (names(part, RESOURCES), names(part, TEMPLATES), names(part, PROMPTS)) == ([], [], [])
    assert names(part, TOOLS) == names(WHOLE, TOOLS)


def test_a_deny_list_alone_takes_nothing_else() -> None:
    part = seen(WHOLE, role("r", {}, {"tools": ["git_*"]}))
    assert {name.partition("_")[0] for name in names(part, TOOLS)} == {"files"}
    assert names(part, RESOURCES) == names(WHOLE, RESOURCES)


def test_a_role_that_is_not_there_gives_nothing() -> None:
    """RBAC-5: not everything, as where there is none."""
    for having in ({NO_ROLE}, {"gone"}):
        part = seen(WHOLE, role("r"), having=having)
        assert [names(part, kind) for kind in KINDS] == [[], [], [], []]
    assert names(seen(WHOLE, role("r"), having={"gone", "r"}), TOOLS) == names(WHOLE, TOOLS)


def test_nobody_without_roles_is_limited() -> None:
    """RBAC-1."""
    assert seen(WHOLE, role("r", {"tools": ["git_log"]}), having=set()).rights is None


def test_a_token_that_only_denies_takes_something_from_its_roles() -> None:
    token = attrs.evolve(role("token 0", {}, {"tools": ["files_read"]}), is_token=True, only_denies=True)
    part = seen(WHOLE, role("r", {"tools": ["files_*"]}), token)
    assert "files_read" not in names(part, TOOLS)
    assert {name.partition("_")[0] for name in names(part, TOOLS)} == {"files"}


# -- what is said


@pytest.mark.parametrize("target", ["files_read", "files_nothing", "nowhere_nothing", "x"])
def test_the_words_do_not_tell_whether_there_is_such_a_thing(target: str) -> None:
    part = seen(WHOLE, role("r", {"tools": ["git_*"]}))
    fault = part.refusal(TOOLS, target)
    assert fault is not None
    assert (fault.code, fault.message) == (-32602, f"Role 'r' is not authorized to call tool: {target}")
    assert part.refusal(TOOLS, "git_nothing") is None, "what may be used and is not there is unknown, as for everybody"


def test_who_may_not_use_something_cannot_tell_a_gateway_that_has_it_from_one_that_does_not() -> None:
    entries = [Entry("git", "git", nobody, offer=OFFERS["git"])]
    small = build(entries, separator="_", portable=True, keeps_entries=True)
    with_more = attrs.evolve(
        OFFERS["git"], lists=OFFERS["git"].lists | {TOOLS: (*OFFERS["git"].lists[TOOLS], Item("secret", {"name": Raw(b'"secret"')}))}
    )
    large = build([attrs.evolve(entries[0], offer=with_more)], separator="_", portable=True, keeps_entries=True)
    one, other = (seen(catalogue, role("r", {}, {"tools": ["git_secret"]})) for catalogue in (small, large))
    assert one.pages[TOOLS.method].says_the_same(other.pages[TOOLS.method])
    assert one.instructions == other.instructions
    assert one.refusal(TOOLS, "git_secret") == other.refusal(TOOLS, "git_secret")


@pytest.mark.parametrize(
    ("kind", "words"),
    [(TOOLS, "call tool"), (RESOURCES, "read resource"), (PROMPTS, "get prompt"), (TEMPLATES, "read resource template")],
)
def test_it_is_said_what_somebody_may_not_do(kind: ListKind, words: str) -> None:
    book = [role("a", {"tools": ["nothing"]}), role("b", {"tools": ["nothing"]})]
    fault = seen(WHOLE, *book).refusal(kind, "x")
    assert fault is not None
    assert fault.message == f"Roles 'a', 'b' are not authorized to {words}: x"
    token = attrs.evolve(role("token 1", {"tools": ["nothing"]}), is_token=True)
    fault = seen(WHOLE, token).refusal(kind, "x")
    assert fault is not None
    assert fault.message == f"Token is not authorized to {words}: x"


# -- lists


def test_a_part_has_pages_and_cursors_of_its_own() -> None:
    entries = [Entry("m", "m", nobody, offer=offer(tools=tuple(f"t{number}" for number in range(9))))]
    catalogue = build(entries, separator="_", page_size=2, keeps_entries=True)
    pages = seen(catalogue, role("r", {"tools": ["m_t[13579]"]})).pages[TOOLS.method]
    assert [pages.first.value, *(page.value for page in pages.rest.values())][-1] == {"tools": [{"name": f"m_t{n}"} for n in (5, 7)]}
    assert len(pages.rest) == 1


def test_a_part_is_made_once_and_is_forgotten_with_its_catalogue() -> None:
    book, catalogue = RuleBook.of([role("r", {"tools": ["git_*"]})]), whole()
    ada, bob = (Principal(name, roles=frozenset({"r"})) for name in ("ada", "bob"))
    assert book.part_for(catalogue, ada) is book.part_for(catalogue, bob)
    assert book.part_for(whole(), ada) is not book.part_for(catalogue, ada)


def test_the_number_of_parts_is_bounded() -> None:
    book, catalogue = RuleBook.of([role(f"r{number}", {"tools": ["git_*"]}) for number in range(2000)]), whole()
    for number in range(2000):
        book.part_for(catalogue, Principal("ada", roles=frozenset({f"r{number}"})))
    assert (len(catalogue.narrowed), len(book._rights)) == (256, 1024)


def test_only_who_may_see_what_is_new_hears_of_it() -> None:
    book = RuleBook.of([role("git", {"tools": ["git_*"]}), role("files", {"tools": ["files_*"]})])
    directory, heard = Directory(whole(), book), list[ListChange]()
    callers = {name: Caller("2025-11-25", principal=Principal(name, roles=frozenset({name}))) for name in ("git", "files")}
    for caller in callers.values():
        directory.read_by(caller)
    directory.subscribe(heard.append)
    more = attrs.evolve(
        OFFERS["git"], lists=OFFERS["git"].lists | {TOOLS: (*OFFERS["git"].lists[TOOLS], Item("new", {"name": Raw(b'"new"')}))}
    )
    directory.replace(
        build(
            [Entry("files", "files", nobody, ALIASED, OFFERS["files"]), Entry("git", "git", nobody, offer=more)],
            separator="_",
            keeps_entries=True,
        )
    )
    (change,) = heard
    assert change.told_to(callers["git"]) == {TOOLS.changed}
    assert change.told_to(callers["files"]) == frozenset()
    assert change.told_to(Caller("2025-11-25")) == {TOOLS.changed}
