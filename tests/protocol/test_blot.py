"""Known secrets do not stand in a text, however they are written there."""

from __future__ import annotations

import json
import random
import re
import string
import time
from urllib.parse import quote

import pytest

from sluicegate.protocol.blot import Blot, blotting, shown, unblotted

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


def test_many_that_begin_alike_are_told_apart_and_the_longest_goes_first() -> None:
    chance = random.Random(7)
    secrets = ["".join(chance.choices("ab.", k=chance.randint(6, 9))) for _ in range(200)]
    naive = re.compile("|".join(re.escape(secret) for secret in sorted(set(secrets), key=len, reverse=True)))
    text = "".join(chance.choices("ab. ", k=5_000))

    assert blotting(secrets)(text) == naive.sub("***", text)


def test_a_thousand_secrets_cost_hardly_more_than_a_few() -> None:
    chance = random.Random(7)
    secrets = ["".join(chance.choices(string.ascii_letters + string.digits, k=24)) for _ in range(2_000)]
    text = "".join(chance.choices(string.ascii_letters + string.digits + " /.", k=5_000))

    def seconds(blot: Blot) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            blot(text)
            times.append(time.process_time() - began)
        return min(times)

    few, many = blotting(secrets[:60]), blotting(secrets)
    assert seconds(many) < 20 * seconds(few)


def test_a_text_of_16_384_characters_is_shown_whole_and_a_longer_one_is_cut() -> None:
    blot = blotting([SECRET])
    assert shown("x" * 16_384, blot) == "x" * 16_384
    assert shown("x" * 16_385, blot) == "x" * 16_384 + "… (16385 characters)"
    assert shown("x" * 16_380 + SECRET + "y" * 100_000, blot).startswith("x" * 16_380 + "***y")


def test_nothing_of_a_secret_is_left_at_its_end() -> None:
    """In any spelling: what is left would be a beginning of what is behind it."""
    for form in (SECRET, json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1], quote(SECRET, safe="")):
        assert blotting([SECRET])(f"<{form}>") == "<***>"
    assert blotting(["tab\tand 'both' \"quotes\""])(repr("tab\tand 'both' \"quotes\"")) == "'***'"
