"""What a request's headers say, read once."""

from __future__ import annotations

import pytest

from sluicegate.protocol.request_headers import RequestHeaders, read_headers

PAIRS = [
    (b"host", b"a:1"),
    (b"accept", b" text/event-stream "),
    (b"content-length", b"12"),
    (b"mcp-session-id", b"s"),
    (b"x-more", b"caf\xe9"),
]


def test_what_decides_has_a_name_and_what_does_not_come_is_empty() -> None:
    headers = read_headers(PAIRS)
    assert (headers.host, headers.origin, headers.authorization) == ((b"a:1",), (), ())
    assert (headers.accept, headers.content_length, headers.session_id) == ("text/event-stream", "12", "s")
    assert (headers.content_type, headers.content_encoding, headers.expects) == ("", "", False)
    assert (headers.protocol_version, headers.last_event_id) == (None, None)


def test_any_other_can_be_asked_for() -> None:
    headers = read_headers(PAIRS)
    assert (headers.text(b"x-more"), headers.text(b"x-less")) == ("café", None)
    assert (headers.all(b"x-more"), headers.all(b"x-less")) == ((b"caf\xe9",), ())


def test_two_of_one_name_are_two_values_and_one_text() -> None:
    headers = read_headers([(b"Origin", b"a"), (b"ORIGIN", b"b"), (b"Accept", b"x"), (b"accept", b" y ")])
    assert (headers.origin, headers.all(b"origin")) == ((b"a", b"b"), (b"a", b"b"))
    assert headers.accept == "x,  y"


@pytest.mark.parametrize("pairs", [PAIRS, [*PAIRS, (b"host", b"b")], [*PAIRS, (b"mcp-name", b"t")], [], [(b"", b"")]])
def test_names_known_to_be_in_lower_case_are_only_faster(pairs: list[tuple[bytes, bytes]]) -> None:
    one, other = read_headers(pairs), read_headers(pairs, lower=True)
    assert [getattr(one, name) for name in RequestHeaders.__struct_fields__] == [
        getattr(other, name) for name in RequestHeaders.__struct_fields__
    ]


@pytest.mark.parametrize(
    ("name", "repeats"),
    [(b"mcp-method", True), (b"Mcp-Name", True), (b"mcp-param-city", True), (b"mcp-session-id", False), (b"param-city", False)],
)
def test_it_is_known_whether_any_repeats_what_the_body_says(name: bytes, repeats: bool) -> None:
    assert read_headers([*PAIRS, (name, b"x")]).repeats_body is repeats


def test_nobody_can_change_them() -> None:
    with pytest.raises(AttributeError):
        read_headers(PAIRS).accept = "text/html"  # type: ignore[misc]
