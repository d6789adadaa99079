"""Where a message ends, looked for in a fast way, which must come to the same as the plain one."""

from __future__ import annotations

from itertools import product

import pytest

from sluicegate.http1.framing import (
    EMPTY_LINE,
    RefusedMessage,
    chunk_overhead_allowed,
    declared_length,
    find_in_chunks,
    stays,
    undecided,
    words,
)


def texts(longest: int) -> list[bytes]:
    """All that can be said in a few of the letters that matter."""
    return [bytes(letters) for length in range(longest + 1) for letters in product(b"\r\nx", repeat=length)]


def test_the_first_empty_line_is_found_wherever_it_begins() -> None:
    for text in texts(7):
        for start in range(len(text) + 1):
            assert find_in_chunks(text, start) == text.find(EMPTY_LINE, start), (text, start)


@pytest.mark.parametrize("before", [*range(12), 100])
@pytest.mark.parametrize("letters", [b"\rx", b"\r", b"\r\n\r"])
def test_an_empty_line_is_found_behind_many_that_only_look_like_one(before: int, letters: bytes) -> None:
    text = letters * before + b"0\r\n\r\n"
    assert find_in_chunks(text, 0) == text.find(EMPTY_LINE)
    assert find_in_chunks(text + b"\r\n\r\n", len(text)) == len(text)
    assert find_in_chunks(letters * before, 0) == -1


def test_what_may_become_an_empty_line_is_not_passed_over() -> None:
    for text in texts(6):
        for start in range(len(text) + 1):
            size = undecided(text, start)
            longest = max((n for n in (1, 2, 3) if len(text) - start >= n and EMPTY_LINE.startswith(text[len(text) - n :])), default=0)
            assert size == longest, (text, start)


def test_a_body_may_have_a_fixed_overhead_and_more_for_each_byte_of_content() -> None:
    one_byte_each = len(b"1\r\nx\r\n") - 1
    assert all(chunk_overhead_allowed(content) >= content * one_byte_each + len(b"0\r\n\r\n") for content in (0, 1, 100, 10**9))


@pytest.mark.parametrize(("digits", "is_length"), [(1, True), (18, True), (19, False)])
def test_a_length_has_so_many_digits_and_no_more(digits: int, is_length: bool) -> None:
    length = b"9" * digits
    if is_length:
        assert declared_length([length], None, "1.1") == int(length)
        assert int(length) < 2**63, "it fits where others keep it"
    else:
        with pytest.raises(RefusedMessage, match="bad Content-Length"):
            declared_length([length], None, "1.1")


@pytest.mark.parametrize(
    ("lengths", "codings", "version", "status"),
    [
        (None, [b"chunked"], "1.0", 400),
        ([b"1"], [b"chunked"], "1.1", 400),
        (None, [b"gzip"], "1.1", 501),
        (None, [b"chunked", b"chunked"], "1.1", 501),
        ([b"1", b"1"], None, "1.1", 400),
        ([b"+1"], None, "1.1", 400),
        ([b""], None, "1.1", 400),
    ],
)
def test_a_length_that_two_could_read_differently_is_refused(
    lengths: list[bytes] | None, codings: list[bytes] | None, version: str, status: int
) -> None:
    with pytest.raises(RefusedMessage) as caught:
        declared_length(lengths, codings, version)
    assert caught.value.status == status


def test_words_are_those_of_all_lines_without_blanks_and_case() -> None:
    assert words([b"Close,, \tX ", b"", b"keep-alive"]) == {b"close", b"x", b"keep-alive"}
    said = {"1.1": (None, [b"x"], [b"keep-alive"]), "1.0": ([b"keep-alive"], [b"x, Keep-Alive"])}
    assert all(stays(version, lines) for version, ways in said.items() for lines in ways)
    for version, lines in (
        ("1.1", [b"close"]),
        ("1.1", [b"keep-alive, close"]),
        ("1.0", None),
        ("1.0", [b"x"]),
        ("1.0", [b"keep-alive", b"Close"]),
    ):
        assert not stays(version, lines)
