"""Known secrets do not stand in a text, however they are written there."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from sluicegate.protocol.blot import blotting, unblotted

SECRET = 'pa"ss wörd/1'


@pytest.mark.parametrize(
    "form", [SECRET, json.dumps(SECRET), json.dumps(SECRET, ensure_ascii=False), repr(SECRET), quote(SECRET), quote(SECRET, safe="")]
)
def test_every_spelling_is_blotted(form: str) -> None:
    blotted = blotting([SECRET])(f"login {form} failed")
    assert SECRET not in blotted
    assert "pa" not in blotted
    assert "***" in blotted


def test_the_longest_of_several_goes_first() -> None:
    assert blotting(["secret", "secret-and-more"])("x secret-and-more y secret") == "x *** y ***"


def test_short_ones_would_blot_words() -> None:
    assert blotting(["", "info", "8080"]) is unblotted


def test_each_line_of_a_key_is_one() -> None:
    assert blotting(["-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nshort\n"])("read MIIEvQIBADANBgkqhkiG, short") == "read ***, short"
