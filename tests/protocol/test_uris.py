"""URIs of backends as clients see them: legal, reversible, and not changed by clients that parse them."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AnyUrl

from sluicegate.protocol.uris import Uris

_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
RFC_3986 = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://(?:{_PCHAR}*@)?(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{{2}})*)(?::[0-9]*)?(?:/{_PCHAR}*)*"
    rf"|(?!//)(?:{_PCHAR}|/)*)"
    rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)


@pytest.mark.parametrize(
    ("local", "full"),
    [
        ("file:///README.md", "b+file:///README.md"),
        ("repo://o/r/README.md?x=1#top", "b+repo://o/r/README.md?x=1#top"),
        ("urn:isbn:1", "b+urn:isbn:1"),
        ("git+ssh://git@host.example/r", "b+git+ssh://git@host.example/r"),
        ("memo://Notes/%C3%A9", "b+memo://Notes/%C3%A9"),
        ("ui://weather/view.html", "ui://weather/view.html#b"),
        ("ui://weather/view.html#top", "ui://weather/view.html#b+top"),
        ("ui://weather/view.html#", "ui://weather/view.html#b+"),
        ("https://x.example/a?b=c", "https://x.example/a?b=c#b"),
        ("http://localhost:8000/", "http://localhost:8000/#b"),
        ("data:text/plain;base64,aGk=", "data:text/plain;base64,aGk=#b"),
        ("https://x.example", "b+https://x.example"),
        ("http://127.0.0.1/x", "b+http://127.0.0.1/x"),
        ("https://X.example/", "b+https://X.example/"),
        ("my_scheme://x", "b+:my_scheme://x"),
        ("FILE:///x", "b+:FILE:///x"),
        ("readme", "b+:readme"),
        ("file:///a b", "b++:file:///a%20b"),
        ("file:///日", "b++:file:///%E6%97%A5"),
        ("file:///%zz", "b++:file:///%25zz"),
        ("file:///a/../b", "b++:file:%2F%2F%2Fa%2F..%2Fb"),
        ("/etc/x", "b++:%2Fetc%2Fx"),
    ],
)
def test_a_uri_goes_out_legal_and_comes_back(local: str, full: str) -> None:
    uris = Uris("b")

    assert full == uris.out(local)
    assert RFC_3986.fullmatch(full)
    assert local == uris.back(full)


@pytest.mark.parametrize(
    ("namespace", "full"),
    [
        ("files", "files+file:///x"),
        ("a-b", "a-b+file:///x"),
        ("my_server", "my.-server+file:///x"),
        ("my.server", "my..server+file:///x"),
        ("gitHub", "git.hub+file:///x"),
        ("9lives", "x.09lives+file:///x"),
        ("Time", "x.0.time+file:///x"),
        ("_", "x.0.-+file:///x"),
        ("", "file:///x"),
    ],
)
def test_every_namespace_can_stand_in_a_scheme(namespace: str, full: str) -> None:
    assert full == Uris(namespace).out("file:///x")
    assert Uris(namespace).back(full) == "file:///x"


def test_without_a_namespace_nothing_changes() -> None:
    for local in ("no uri at all", "https://x.example/#b", "b+file:///x"):
        assert local == Uris("").out(local) == Uris("").template_out(local) == Uris("").back(local)
    assert Uris("").back("") is None


@pytest.mark.parametrize(
    "full", ["file:///x", "c+file:///x", "b", "b+", "b+:", "b++:", "b++:%FF", "bb+file:///x", "b_file:///x", "ui://x", "ui://x#c"]
)
def test_what_has_another_token_or_none_belongs_elsewhere(full: str) -> None:
    assert Uris("b").back(full) is None


def test_a_scheme_that_a_client_wrote_in_capitals_is_the_same() -> None:
    assert Uris("gitHub").back("GIT.HUB+file:///x") == "file:///x"


namespaces = st.from_regex(r"[A-Za-z0-9_.-]{1,6}", fullmatch=True)
PIECES = (
    "file: http: https: ui: data: urn: My_s: a+b.c-d: // / host.example Host 1.2.3.4 [::1] u@ u:p@ :80 :443 : :99999 .. . %2e %20 %zz 日 # ? &=' "
    "{x} | \\ xn--a a + *"
)
pieces = st.sampled_from([*PIECES.split(" "), " ", "\n"])
anything = st.one_of(st.lists(pieces, min_size=1, max_size=7).map("".join), st.text(min_size=1, max_size=20))


@given(anything, namespaces)
@example("\ud800", "b")
def test_whatever_a_backend_calls_a_resource_clients_see_a_uri_that_leads_back(local: str, namespace: str) -> None:
    """A client on pydantic parses what it was given and sends what it made of it."""
    uris = Uris(namespace)

    full = uris.out(local)

    assert RFC_3986.fullmatch(full)
    assert local == uris.back(full)
    assert local == uris.back(str(AnyUrl(full)))


@given(anything, namespaces, namespaces)
def test_no_uri_belongs_to_two_backends(local: str, one: str, other: str) -> None:
    assert one == other or Uris(other).back(Uris(one).out(local)) is None


@pytest.mark.parametrize(
    ("local", "full", "values", "expanded"),
    [
        ("file:///{path}", "b+file:///{path}", {"path": "a%20b"}, "file:///a%20b"),
        ("repo://{owner}/x{?page,size}", "b+repo://{owner}/x{?page,size}", {"owner": "o", "?page,size": "?page=1&size=2"}, None),
        ("{+uri}", "b+{+uri}", {"+uri": "file:///x"}, "file:///x"),
        ("{scheme}://x", "b+{scheme}://x", {"scheme": "ftp"}, "ftp://x"),
        ("note-{kind}://x", "b+note-{kind}://x", {"kind": "a"}, "note-a://x"),
        ("my_scheme://{x}", "b+:my_scheme://{x}", {"x": "a%20b"}, "my_scheme://a%20b"),
        ("ui://{x}/view", "ui://{x}/view#b", {"x": "w"}, "ui://w/view"),
        ("https://x.example/{id}{?q}", "https://x.example/{id}{?q}#b", {"id": "7", "?q": ""}, "https://x.example/7"),
        ("https://x.example/{id}#{part}", "https://x.example/{id}#b+{part}", {"id": "7", "part": "top"}, "https://x.example/7#top"),
        ("https://x.example/{id}#a#{part}", "b+https://x.example/{id}#a#{part}", {"id": "7", "part": "top"}, "https://x.example/7#a#top"),
        ("https://x.example/{id}{#part}", "b+https://x.example/{id}{#part}", {"id": "7", "#part": "#top"}, "https://x.example/7#top"),
    ],
)
def test_a_template_leads_to_what_its_own_expansion_names(local: str, full: str, values: dict[str, str], expanded: str | None) -> None:
    uris = Uris("b")

    def expand(template: str) -> str:
        return re.sub(r"\{([^}]*)\}", lambda found: values[found[1]], template)

    assert full == uris.template_out(local)
    assert local == uris.back(full)
    assert expand(local) == uris.back(expand(full))
    assert expanded in (None, expand(local))
