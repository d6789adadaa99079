"""Header values of the HTTP transport."""

import pytest

from sluicegate.protocol.headers import EVENT_STREAM, JSON, accepts, is_scope, is_session_id, media_type, safe_value

# The numbers that are promised. Taken from the source they would move with it.
LONGEST_SESSION_ID = 1024


@pytest.mark.parametrize(
    ("accept", "admitted"),
    [
        ("application/json", True),
        ("text/event-stream, Application/JSON;q=0.5", True),
        ("*/*", True),
        ("application/*", True),
        ("application/json;q=0, */*", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_accept_admits_what_its_most_specific_range_admits(accept: str, admitted: bool) -> None:
    assert admitted == accepts(accept, JSON)


@pytest.mark.parametrize(("exact", "all_of_them"), [("text/event-stream", "text/*"), ("text/event-stream", "*/*"), ("text/*", "*/*")])
@pytest.mark.parametrize("no", ["q=0", "Q = 0.000", "level=1;q=0.0"])
def test_the_more_specific_range_decides_wherever_it_stands(exact: str, all_of_them: str, no: str) -> None:
    for refused, admitted in ((exact, all_of_them), (all_of_them, exact)):
        for accept in (f"{refused};{no}, {admitted}", f"{admitted}, {refused};{no}"):
            assert accepts(accept, EVENT_STREAM) is (admitted == exact)


@pytest.mark.parametrize("yes", ["q=1", "q=0.001", "level=0", "q", "q=", ""])
def test_a_range_is_refused_by_nothing_but_a_weight_of_nothing(yes: str) -> None:
    assert accepts(f"text/event-stream;{yes}", EVENT_STREAM)


def test_a_media_type_is_read_without_parameters() -> None:
    assert media_type("Text/Event-Stream; charset=utf-8") == EVENT_STREAM


@pytest.mark.parametrize(
    ("value", "good"), [("a-1~", True), ("", False), ("a b", False), ("é", False), ("a\n", False), ("x" * 2000, False)]
)
def test_a_session_id_is_visible_ascii(value: str, good: bool) -> None:
    assert good == is_session_id(value)


def test_a_session_id_may_be_as_long_as_is_said_and_not_longer() -> None:
    assert [is_session_id("x" * size) for size in (LONGEST_SESSION_ID, LONGEST_SESSION_ID + 1)] == [True, False]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("read_file", "read_file"),
        ("file:///a b", "file:///a b"),
        (" padded", "=?base64?IHBhZGRlZA==?="),
        ("é", "=?base64?w6k=?="),
        ("a\r\nb", "=?base64?YQ0KYg==?="),
        ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
    ],
)
def test_unsafe_names_travel_in_base64(text: str, value: str) -> None:
    assert value == safe_value(text)


@pytest.mark.parametrize(("text", "fits"), [("mcp:read", True), ("", False), ("a b", False), ('a"', False), ("a\\b", False), ("ä", False)])
def test_a_scope_is_visible_ascii_without_quotes(text: str, fits: bool) -> None:
    assert is_scope(text) is fits
