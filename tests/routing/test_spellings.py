"""No filter is passed by another spelling, and every spelling of what is exposed works."""

import posixpath
from collections.abc import Callable
from functools import cache
from urllib.parse import unquote, urlsplit

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from tests.kit.chance import looked_for

from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import EMPTY, Raw, encode
from sluicegate.protocol.offers import KINDS, RESOURCES, TEMPLATES, Hello, Item, Offer
from sluicegate.routing.catalogue import Entry, build
from sluicegate.routing.routes import Route, Table
from sluicegate.routing.spellings import normal, readings
from sluicegate.routing.visibility import Filter, Visibility

OPEN = ("file:///pub/a", "file:///pub/d/b%20c", "https://api.example/open/x", "https://api.example/open/y?q=1")
SHUT = ("file:///secret/k", "file:///secret/d/l", "https://api.example/shut/x")


async def nobody(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply()


def table(filter: Filter, *templates: str, aliases: dict[str, str] | None = None) -> Table:
    lists = {RESOURCES: OPEN + SHUT, TEMPLATES: templates}
    items = {kind: tuple(Item(key, {kind.key: Raw(encode(key))}) for key in lists.get(kind, ())) for kind in KINDS}
    offer = Offer(Hello("2025-11-25", {"resources": EMPTY}, {}), items)
    return build([Entry("b", "", nobody, Visibility(resources=filter, aliases=aliases or {}), offer)], separator="_").table


def admits(of: Table, uri: str) -> bool:
    return isinstance(of.find(RESOURCES, uri), Route)


ANYTHING = ("file:///{+path}", "https://api.example/{+path}")
WITHIN = ("file:///pub/{+path}", "https://api.example/open/{+path}")
WORLDS: dict[str, Callable[[], Table]] = {
    "hide": lambda: table(Filter.parse(hide=["file:///secret/**", "https://api.example/shut/**"]), *ANYTHING),
    "hide, spelled otherwise": lambda: table(Filter.parse(hide=["FILE:/%73ecret//**", "https://me@API.example:443/shut/**"]), *ANYTHING),
    "hide, and all of a URI in one expression": lambda: table(
        Filter.parse(hide=["file:///secret/**", "https://api.example/shut/**"]), "file://{+path}", "https://{+url}"
    ),
    "hide by expression": lambda: table(Filter.parse(hide=["re:^file:///secret/", "re:/shut/"]), *ANYTHING),
    "hide all but": lambda: table(Filter.parse(hide=["!{file:///pub,https://api.example/open}/**"]), *WITHIN),
    "expose": lambda: table(Filter.parse(expose=["file:///pub/**", "https://api.example/open/**"]), *WITHIN),
    "expose all but": lambda: table(Filter.parse(expose=["!{file:///secret,https://api.example/shut}/**"]), *ANYTHING),
}


@cache
def world_of(name: str) -> Table:
    """Made when a test asks for it: while tests are collected, nothing ends what never ends."""
    return WORLDS[name]()


# What servers make of a URI: an independent, small reference.


def once(uri: str) -> str:
    return unquote(urlsplit(uri).path)


def twice(uri: str) -> str:
    return unquote(unquote(urlsplit(uri).path))


def like_windows(uri: str) -> str:
    return unquote(urlsplit(uri.replace("\\", "/")).path).replace("\\", "/")


def by_cutting(uri: str) -> str:
    scheme, _, rest = uri.partition(":")
    return unquote(rest.removeprefix("//") if scheme.lower() == "file" else urlsplit(uri).path)


def without_parameters(uri: str) -> str:
    return unquote("/".join(part.partition(";")[0] for part in urlsplit(uri).path.split("/")))


SERVERS: tuple[Callable[[str], str], ...] = (once, twice, like_windows, by_cutting, without_parameters)


def serves_hidden(server: Callable[[str], str], uri: str) -> bool:
    """Whether a server, on a file system that takes no notice of case, would hand out what is hidden."""
    path = posixpath.normpath("/" + server(uri).partition("\0")[0]).lower()
    return ("/" + path.lstrip("/")).startswith(("/secret/", "/shut/"))


def swapped(uri: str, at: int, how: Callable[[str], str]) -> str:
    at %= len(uri)
    return uri[:at] + how(uri[at]) + uri[at + 1 :]


def before_path(uri: str, text: str) -> str:
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/{text}{path}"


def at_slash(uri: str, which: int, text: str) -> str:
    head, _, path = uri.partition("://")
    parts = path.split("/")
    which = which % (len(parts) - 1) + 1 if len(parts) > 1 else 1
    return head + "://" + "/".join(parts[:which]) + text + "/".join(parts[which:])


TRICKS: list[Callable[[str, int], str]] = [
    lambda uri, at: swapped(uri, at, lambda char: f"%{ord(char):02x}" if char.isascii() else char),
    lambda uri, at: swapped(uri, at, lambda char: f"%25{ord(char):02X}" if char.isascii() else char),
    lambda uri, at: swapped(uri, at, str.swapcase),
    lambda uri, at: at_slash(uri, at, ("/./", "//", "/x/../", "/%2e/", "/x/%2E%2e/", "/;a/")[at % 6]),
    lambda uri, at: at_slash(uri, at, ("%2f", "\\", "%5C", "%252f", "%255c", "/.;/")[at % 6]),
    lambda uri, at: before_path(uri, ("pub/../", "open/%2e%2e/", "pub\\..\\", "pub%2f..%2f", "pub/..%00/", "pub/%c0%ae%c0%ae/")[at % 6]),
    lambda uri, at: uri.replace("file:///", ("file:/", "file://localhost/", "FILE:////", "file://other/", "file:", "file://")[at % 6], 1),
    lambda uri, at: uri.replace("api.example", ("API.EXAMPLE", "api.example:443", "api.example:", "u:p@api.example")[at % 4], 1),
    lambda uri, at: uri + ("#x", "?x=1", "/", "/.", "%00", "\n")[at % 6],
]
tricks = st.lists(st.tuples(st.sampled_from(TRICKS), st.integers(0, 60)), max_size=4)


def respelled(uri: str, how: list[tuple[Callable[[str, int], str], int]]) -> str:
    for trick, at in how:
        uri = trick(uri, at)
    return uri


def in_order(how: list[tuple[Callable[[str, int], str], int]]) -> list[tuple[Callable[[str, int], str], int]]:
    """What looks at the whole beginning comes first, else it does not find it."""
    return sorted(how, key=lambda trick: -SAME.index(trick[0]))


@pytest.mark.parametrize("world", WORLDS)
@looked_for
@given(st.sampled_from(OPEN + SHUT), tricks)
def test_no_spelling_of_what_is_hidden_gets_through(world: str, uri: str, how: list[tuple[Callable[[str, int], str], int]]) -> None:
    asked = respelled(uri, how)

    if admits(world_of(world), asked):
        assert [server.__name__ for server in SERVERS if serves_hidden(server, asked)] == [], asked


def encoded(uri: str, at: int) -> str:
    """One letter behind the host, if it is no part of something that is encoded."""
    at %= len(uri)
    return swapped(uri, at, lambda char: f"%{ord(char):02x}") if at > 22 and uri[at].isalnum() and "%" not in uri[at - 2 : at] else uri


SAME: list[Callable[[str, int], str]] = [
    encoded,
    lambda uri, at: at_slash(uri, at + 1, "//") if "?" not in uri else uri,
    lambda uri, at: uri.replace("file:///", ("file:/", "file://localhost/", "FILE:///", "file://LOCALHOST/")[at % 4], 1),
    lambda uri, at: uri.replace(
        "https://api.example/", ("HTTPS://api.example/", "https://API.Example/", "https://api.example:443/")[at % 3], 1
    ),
]


@pytest.mark.parametrize("world", WORLDS)
@looked_for
@given(st.sampled_from(OPEN), st.lists(st.tuples(st.sampled_from(SAME), st.integers(0, 60)), max_size=3))
def test_every_spelling_of_what_is_exposed_works(world: str, uri: str, how: list[tuple[Callable[[str, int], str], int]]) -> None:
    asked = respelled(uri, in_order(how))

    assert admits(world_of(world), asked), asked


@pytest.mark.parametrize("uri", SHUT)
@pytest.mark.parametrize("world", WORLDS)
def test_what_is_hidden_is_hidden_as_it_stands(world: str, uri: str) -> None:
    assert not admits(world_of(world), uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://api.example:443:443/shut/x",
        "https://api.example::443/shut/x",
        "https://api.example:443:/shut/x",
        "https://api.example:x/shut/x",
        "https://me@api.example%3A443:443/shut/x",
        "file:///pub/../secret/k",
        "file:///pub/%2e%2e/secret/k",
        "file:///pub/..%2fsecret%2fk",
        "file:///pub/%252e%252e/secret/k",
        "file:///./secret/k",
        "file:///%73ecret/k",
        "FILE:///secret/k",
        "file://localhost/secret/k",
        "file:/secret/k",
        "file:secret/k",
        "file:////secret//k",
        "file:///secret%2fk",
        "file:///secret%5ck",
        "file:///secret\\k",
        "file:///Secret/k",
        "file:///secret/k#x",
        "file://elsewhere/secret/k",
        "file://secret/k",
        "file:///pub/..;/secret/k",
        "file:///pub/.%00./secret/k",
        "file:///pub/%25252525252e/x",
        "https://api.example/shut/x?y",
    ],
)
@pytest.mark.parametrize("world", WORLDS)
def test_the_known_ways_round_a_filter_are_closed(world: str, uri: str) -> None:
    assert not admits(world_of(world), uri)


def test_what_a_filtered_backend_does_not_list_is_not_sent_to_it() -> None:
    of = table(Filter.parse(expose=["file:///**"]), "file:///pub/{name}")

    assert admits(of, "file:///pub/new")
    assert not admits(of, "file:///elsewhere/new")


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("file://{path}", "file:///pub/new"),
        ("file://{+path}", "file:///pub/new"),
        ("file://{host}{+path}", "file:///pub/new"),
        ("https://{+rest}", "https://api.example/open/new?q=1"),
        ("https://{host}", "https://api.example"),
    ],
)
def test_a_template_may_hold_a_whole_uri_in_its_last_expression(template: str, uri: str) -> None:
    of = table(Filter.parse(hide=["file:///secret/**"]), template)

    assert admits(of, uri)
    assert not admits(of, "file:///secret/new")
    assert not admits(of, "other://api.example/open")


def test_a_hidden_template_that_says_more_about_a_uri_is_the_one_that_is_meant() -> None:
    of = table(Filter.parse(hide=[r"file:///pub/\{draft\}.md"]), "file:///pub/{draft}.md", "file:///{+path}")

    assert admits(of, "file:///pub/text")
    assert not admits(of, "file:///pub/text.md")


def test_an_unfiltered_backend_gets_every_spelling() -> None:
    of = table(Filter())

    assert all(admits(of, uri) for uri in ("file:///pub/../secret/k", "FILE:/x", "anything", "file:///%2e%2e/x"))


def test_what_has_an_alias_is_not_read_by_another_spelling_of_its_own_name() -> None:
    of = table(Filter(), aliases={"file:///secret/k": "key"})

    assert admits(of, "key")
    assert [uri for uri in ("file:///secret/k", "FILE:///secret/k", "file:/%73ecret/k", "file:///secret//k") if admits(of, uri)] == []


def test_an_encoded_slash_is_fine_where_the_backend_lists_it() -> None:
    uri = "repo://group%2Fproject/readme"
    item = Item(uri, {"uri": Raw(encode(uri))})
    offer = Offer(Hello("2025-11-25", {"resources": EMPTY}, {}), {kind: (item,) if kind is RESOURCES else () for kind in KINDS})
    member = Entry("b", "", nobody, Visibility(resources=Filter.parse(expose=["repo://*/readme"])), offer)

    assert admits(build([member], separator="_").table, uri)


@pytest.mark.parametrize(
    ("uri", "form"),
    [
        ("HTTP://User@Example.COM:80/%7Euser/%2fa//b?Q=%2f#F", "http://example.com/~user/%2Fa/b?Q=%2F#F"),
        ("https://h:8443", "https://h:8443/"),
        ("file:/x", "file:///x"),
        ("FILE://LocalHost/x", "file:///x"),
        ("file:////x//y", "file:///x/y"),
        ("Memo://Insights", "memo://Insights"),
        ("urn:a%62c", "urn:abc"),
        ("x:///%e2%82%ac%ff", "x:///€%FF"),
        ("x://a%20b c", "x://a b c"),
        ("no uri at all", "no uri at all"),
        ("", ""),
        ("%", "%25"),
        ("x:50%-off", "x:50%25-off"),
        ("x:%e%31e", "x:%25e1e"),
    ],
)
def test_a_uri_has_one_normal_form(uri: str, form: str) -> None:
    assert normal(uri) == form


@looked_for
@given(st.text(alphabet="aAfile:/?#%1235eE.@\\é", max_size=30))
@example("file:%2F%2Fx")
@example("file:%e%31e")
def test_a_normal_form_is_its_own(uri: str) -> None:
    assert normal(normal(uri)) == normal(uri)


@pytest.mark.parametrize("uri", ["x:..", "x://../a", "x://a/./b", "x://a?p=../b", "x:a/%2E", "x:a\\..\\b", "x:\x00", "x:%25252525252541"])
def test_what_leads_out_of_its_place_has_no_reading(uri: str) -> None:
    assert readings(uri) is None


def test_dots_that_are_a_part_of_a_name_are_fine() -> None:
    assert readings("x://a.b/..c/d../.e/f...g?h=1..5") is not None


@pytest.mark.parametrize("hidden", ["RE:/secret/**", "Re:(*", "re%3A*"])
def test_a_scheme_that_looks_like_the_mark_of_an_expression_is_a_scheme(hidden: str) -> None:
    seen = Visibility(resources=Filter.parse(hide=[hidden]))
    assert seen.local_name(RESOURCES, "re:/open/x") == "re:/open/x"
    if hidden.endswith("**"):
        assert seen.local_name(RESOURCES, "re:/secret/x") is None
        assert seen.local_name(RESOURCES, "RE:/secret/x") is None


def test_a_set_in_a_glob_stays_a_set_of_single_characters() -> None:
    seen = Visibility(resources=Filter.parse(hide=["x:/[%-0]", "x:/[]%]a", "x:/\\[%61"]))
    assert [seen.local_name(RESOURCES, uri) for uri in ("x:/%25", "x:/+", "x:/]a", "x:/[a", "x:/b")] == ["x:/%25", None, None, None, "x:/b"]


@pytest.mark.parametrize(("times", "is_read"), [(1, True), (3, True), (4, False), (5, False)])
def test_what_is_encoded_three_times_over_is_read_and_no_more(times: int, is_read: bool) -> None:
    assert (readings("x:%" + "25" * (times - 1) + "41") is not None) is is_read


@pytest.mark.parametrize(
    "authority", ["h::", "h:::80", "h:80:", "h:80:80", "u@h::", "[::1]:", "[::1]:80", "h:", "h:80", "h:81", "::", ":80"]
)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_an_authority_with_too_many_colons_is_taken_for_no_other(scheme: str, authority: str) -> None:
    """Where an authority has colons that it must not have, too: it stays what it is, and is not taken for another."""
    form = normal(f"{scheme}://{authority}/a")
    assert normal(form) == form
    if "::" in authority.replace("[::1]", "") or authority.count(":") == 2:
        assert form != normal(f"{scheme}://h/a")
