"""Halves of surrogate pairs: found, and replaced by U+FFFD, without touching anything else."""

from __future__ import annotations

import json
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.kit.chance import looked_for

from sluicegate.protocol.halves import find_half, with_whole_characters
from sluicegate.protocol.messages import Malformed, Response, decode

# The numbers that are promised. Taken from the source they would move with it.
MOST_LOOKED_AT = 20000
MOST_MENDED = 10_000


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (rb"\ud800", rb"\ufffd"),
        (rb"\ud800A", rb"\ufffdA"),
        (rb"\ud800\u0041", rb"\ufffd\u0041"),
        (rb"\udc00", rb"\ufffd"),
        (rb"\udc00\ud800", rb"\ufffd\ufffd"),
        (rb"\uD83D\uDE00\uD83D", rb"\uD83D\uDE00\ufffd"),
        (rb"\ud800\ud83d\ude00\ude00", rb"\ufffd\ud83d\ude00\ufffd"),
        (rb"\\ud800\ud800", rb"\\ud800\ufffd"),
        (rb"\\\ud800", rb"\\\ufffd"),
        (rb"\n\ud800\n", rb"\n\ufffd\n"),
    ],
)
def test_only_the_half_is_replaced(text: bytes, mended: bytes) -> None:
    assert with_whole_characters(text) == mended
    assert text[find_half(text) or 0 :].startswith(b"\\u")


@pytest.mark.parametrize("text", [b"", rb"\ud83d\ude00", rb"\\ud800", rb"ud800", rb"\u0041\\\\udc00", b"\\" * 1001 + b"n"])
def test_what_is_whole_stays(text: bytes) -> None:
    assert find_half(text) is None
    assert with_whole_characters(text) is None


def test_what_is_made_of_halves_is_no_text() -> None:
    assert with_whole_characters(rb"\ud800" * MOST_MENDED) is not None
    assert with_whole_characters(rb"\ud800" * (MOST_MENDED + 1)) is None


@looked_for
@given(some.text(alphabet=some.sampled_from('\ud800\udbff\udc00\udfffa\\"\n\u00e9\U0001f600'), max_size=12))
def test_whatever_python_writes_is_a_message_afterwards_and_means_what_can_be_meant(text: str) -> None:
    """Its JSON has halves wherever its text has, as JavaScript's has."""
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"text": text}}).encode()
    meant = json.loads(json.dumps(text))  # a high and a low one beside each other are a character
    whole = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in meant)
    message = decode(data)
    if meant == whole:
        assert find_half(data) is None
        assert isinstance(message, Response)
        return
    assert isinstance(message, Malformed)
    mended = with_whole_characters(data)
    assert mended is not None
    message = decode(mended)
    assert isinstance(message, Response)
    assert json.loads(bytes(message.result or b""))["text"] == whole


@pytest.mark.parametrize("piece", [rb"\\ud800", rb"\ud83d\ude00", rb"\n", rb"\\", rb"\u0041", b"x", rb"\u", rb"\ud8"])
def test_what_is_whole_is_passed_over_quickly(piece: bytes) -> None:
    """Text that speaks of halves took a second for 16 MiB, in which nobody else was served."""
    text = piece * ((8 << 20) // len(piece))
    spent = []
    for _ in range(3):
        began = process_time()
        assert find_half(text) is None
        assert with_whole_characters(text) is None
        spent.append(process_time() - began)
    assert min(spent) < 0.3  # 0.13 at most; 0.45 where each place was looked at by itself


def test_a_half_far_behind_text_that_speaks_of_them_is_not_looked_for() -> None:
    assert with_whole_characters(rb"\\ud800" * (MOST_LOOKED_AT - 1) + rb"\ud800") is not None
    assert with_whole_characters(rb"\ud800" + rb"\\ud800" * MOST_LOOKED_AT) is None
