"""What is sealed opens with the same key and for the same purpose only, and not if any character of it has changed."""

from __future__ import annotations

import os

import pytest

from sluicegate.identity.sealing import KEY_BYTES, Seal

KEY, OTHER = b"k" * KEY_BYTES, b"o" * KEY_BYTES


def seal(key: bytes = KEY) -> Seal:
    return Seal(key, os.urandom)


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)), b"y" * 65_536])
def test_what_was_sealed_opens_again(content: bytes) -> None:
    text = seal().close("state", content)
    assert seal().open("state", text) == content
    assert text.isascii()
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_same_bytes_never_look_the_same() -> None:
    one = seal()
    assert one.close("state", b"same") != one.close("state", b"same")
    assert "same" not in one.close("state", b"same")


def test_no_character_of_it_can_be_changed_left_out_or_added() -> None:
    one = seal()
    text = one.close("state", b"content")
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        assert one.open("state", text[:place] + other + text[place + 1 :]) is None
        assert one.open("state", text[:place] + text[place + 1 :]) is None
        assert one.open("state", text[:place]) is None
        assert one.open("state", text[:place] + other + text[place:]) is None


@pytest.mark.parametrize("text", ["", "x", "====", "é" * 60, "\ud800" * 60, "A" * 60, "A" * 60 + "\n", " " + "A" * 60, "+/" * 30])
def test_what_nobody_sealed_does_not_open(text: str) -> None:
    assert seal().open("state", text) is None


def test_a_text_opens_for_its_purpose_alone() -> None:
    one = seal()
    assert one.open("session", one.close("state", b"content")) is None


def test_a_text_opens_with_its_key_alone() -> None:
    text = seal(KEY).close("state", b"content")
    assert seal(KEY).open("state", text) == b"content"
    assert seal(OTHER).open("state", text) is None


def test_no_key_is_shown() -> None:
    assert "k" * KEY_BYTES not in repr(seal())
