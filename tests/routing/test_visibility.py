"""What clients may see, and under which names."""

import pytest

from sluicegate.protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS, ListKind
from sluicegate.routing.visibility import Filter, Visibility


def test_without_rules_everything_is_seen_under_its_own_name() -> None:
    visibility = Visibility()

    assert visibility.client_name(TOOLS, "add") == "add"
    assert visibility.local_name(TOOLS, "add") == "add"


def test_an_expose_list_shows_what_any_pattern_fits() -> None:
    visibility = Visibility(tools=Filter.parse(expose=["get_*", "re:list"]))

    assert [visibility.client_name(TOOLS, name) for name in ("get_a", "a_list", "put_a")] == ["get_a", "a_list", None]
    assert visibility.local_name(TOOLS, "put_a") is None


def test_a_hide_list_hides_what_any_pattern_fits() -> None:
    visibility = Visibility(tools=Filter.parse(hide=["put_*"]))

    assert visibility.local_name(TOOLS, "get_a") == "get_a"
    assert visibility.client_name(TOOLS, "put_a") is None
    assert visibility.local_name(TOOLS, "put_a") is None


@pytest.mark.parametrize(
    ("kind", "seen"),
    [(TOOLS, False), (RESOURCES, True), (TEMPLATES, True), (PROMPTS, True)],
)
def test_rules_for_one_kind_leave_the_others_alone(kind: ListKind, *, seen: bool) -> None:
    visibility = Visibility(tools=Filter.parse(hide=["**"]))

    assert seen is (visibility.client_name(kind, "x") is not None)


def test_rules_for_resources_hold_for_templates_too() -> None:
    visibility = Visibility(resources=Filter.parse(expose=["file:///open/**"]))

    assert visibility.client_name(TEMPLATES, "file:///open/{name}") == "file:///open/{name}"
    assert visibility.client_name(TEMPLATES, "file:///closed/{name}") is None


def test_a_hide_list_takes_no_notice_of_case() -> None:
    """A backend may not either; what is exposed is exposed as it is written."""
    visibility = Visibility(tools=Filter.parse(hide=["delete_*", "Drop", "re:^purge"]), prompts=Filter.parse(expose=["greet"]))

    assert [visibility.client_name(TOOLS, name) for name in ("DELETE_all", "drop", "Purge_x", "keep")] == [None, None, None, "keep"]
    assert [visibility.client_name(PROMPTS, name) for name in ("greet", "Greet")] == ["greet", None]


def test_a_negated_pattern_is_on_the_safe_side_of_case_too() -> None:
    hiding = Visibility(tools=Filter.parse(hide=["!get_*"]))
    exposing = Visibility(tools=Filter.parse(expose=["!delete_*"]))

    assert [hiding.client_name(TOOLS, name) for name in ("get_a", "GET_a", "put_a")] == ["get_a", None, None]
    assert [exposing.client_name(TOOLS, name) for name in ("get_a", "delete_a", "DELETE_a")] == ["get_a", None, None]


def test_what_has_an_alias_is_not_called_by_its_name_in_another_case() -> None:
    visibility = Visibility(aliases={"drop": "remove"})

    assert [visibility.local_name(TOOLS, name) for name in ("DROP", "remove", "other")] == [None, "drop", "other"]
    assert visibility.client_name(TOOLS, "DROP") == "DROP"  # listed beside it, so it is another tool


@pytest.mark.parametrize("asked", ["file:///open/a%2Fb", "file:///open/a%252Fb", "file:///open/a%5Cb"])
def test_what_a_backend_lists_is_meant_as_it_stands_and_what_a_client_asks_for_as_anybody_may_read_it(asked: str) -> None:
    """One who decodes it finds a folder in it, and one star does not expose what is in folders."""
    visibility = Visibility(resources=Filter.parse(expose=["file:///open/*"]))

    assert visibility.client_name(RESOURCES, asked) == asked
    assert visibility.local_name(RESOURCES, asked) is None
    assert visibility.local_name(RESOURCES, "file:///open/a") == "file:///open/a"


def test_only_what_a_client_asks_for_must_have_a_host_that_is_one() -> None:
    """In a template it is not there yet, and what a backend lists is read as it is listed."""
    visibility = Visibility(resources=Filter.parse(hide=["https://a.example/shut/**"]))

    for uri in ("https://{host}:{port}/x", "https://a.example:443:443/open"):
        assert visibility.client_name(TEMPLATES, uri) == visibility.client_name(RESOURCES, uri) == uri
        assert visibility.local_name(RESOURCES, uri) is None
    assert visibility.local_name(RESOURCES, "https://a.example:443/open") == "https://a.example:443/open"
    assert visibility.local_name(RESOURCES, "git://a:b:c/open") == "git://a:b:c/open"


def test_rules_for_prompts_hold_for_prompts() -> None:
    assert Visibility(prompts=Filter.parse(hide=["greet"])).client_name(PROMPTS, "greet") is None


def test_an_alias_leads_forth_and_back() -> None:
    visibility = Visibility(aliases={"add": "plus"})

    assert visibility.client_name(TOOLS, "add") == "plus"
    assert visibility.local_name(TOOLS, "plus") == "add"
    assert visibility.client_name(TOOLS, "sub") == "sub"


def test_an_alias_hides_the_original_name() -> None:
    assert Visibility(aliases={"add": "plus"}).local_name(TOOLS, "add") is None


def test_an_alias_takes_the_place_of_what_had_the_name() -> None:
    visibility = Visibility(aliases={"add": "plus"})

    assert visibility.client_name(TOOLS, "plus") is None


def test_two_names_can_be_swapped() -> None:
    visibility = Visibility(aliases={"a": "b", "b": "a"})

    assert [visibility.client_name(TOOLS, name) for name in ("a", "b")] == ["b", "a"]
    assert [visibility.local_name(TOOLS, name) for name in ("a", "b")] == ["b", "a"]


def test_of_two_aliases_to_one_name_the_first_stays() -> None:
    visibility = Visibility(aliases={"a": "x", "b": "x"})

    assert visibility.local_name(TOOLS, "x") == "a"
    assert visibility.client_name(TOOLS, "b") is None


def test_templates_keep_their_names() -> None:
    visibility = Visibility(aliases={"file:///{a}": "other:///{a}"})

    assert visibility.client_name(TEMPLATES, "file:///{a}") == "file:///{a}"
    assert visibility.local_name(TEMPLATES, "file:///{a}") == "file:///{a}"


def test_a_deny_rule_holds_for_both_names_of_an_alias() -> None:
    """LIM-24: neither name is a way round a rule for the other."""
    for denied in ("add", "plus"):
        visibility = Visibility(tools=Filter.parse(hide=[denied]), aliases={"add": "plus"})
        assert [visibility.local_name(TOOLS, name) for name in ("add", "plus")] == [None, None]


def test_an_expose_list_may_name_the_alias_or_the_original() -> None:
    for exposed in ("add", "plus"):
        visibility = Visibility(tools=Filter.parse(expose=[exposed]), aliases={"add": "plus"})
        assert visibility.client_name(TOOLS, "add") == "plus"


def test_a_hidden_backend_shows_nothing() -> None:
    visibility = Visibility(hidden=True)

    assert visibility.client_name(TOOLS, "add") is None
    assert visibility.local_name(TOOLS, "add") is None
