"""Ids: what is one, and which are equal."""

from __future__ import annotations

import pytest

from sluicegate.protocol.ids import read_id

# The numbers that are promised. Taken from the source they would move with it.
LONGEST_ID = 1024


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"0", 0),
        (b"7", 7),
        (b"-7", -7),
        (b"7.0", 7),
        (b"70e-1", 7),
        (b"-0.7E+1", -7),
        (b"9007199254740992.0", 2**53),
        (b"-9007199254740992.0", -(2**53)),
        (b"9007199254740994.0", None),
        (b"7.5", None),
        (b'"7"', "7"),
        (b'""', ""),
        (b'"\\u0061"', "a"),
        (b'"a', None),
        (b"null", None),
        (b"true", None),
        (b"", None),
        (b"-", None),
        (b"+7", None),
        (b"[7]", None),
        (b"1e999", None),
    ],
)
def test_an_id_is_text_or_a_whole_number_however_it_is_written(raw: bytes, value: int | str | None) -> None:
    found = read_id(raw)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("letter", [b"7", b"x"])
def test_an_id_may_be_as_long_as_is_said_and_not_longer(letter: bytes) -> None:
    def of_size(size: int) -> bytes:
        return letter * size if letter.isdigit() else b'"' + letter * (size - 2) + b'"'

    assert read_id(of_size(LONGEST_ID)) is not None
    assert read_id(of_size(LONGEST_ID + 1)) is None
