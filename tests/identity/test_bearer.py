"""Who is behind a token."""

from __future__ import annotations

import pytest

from sluicegate.identity.bearer import BearerTokens, Refused

CHECK = BearerTokens(["first token", "zwölf", "abc"])
ACCEPTED = [b"Bearer abc", b"bearer abc", b"BEARER  abc ", b"ApiKey abc", b"apikey abc", b"abc", b" abc "]
REFUSED = [
    b"Bearer",
    b"Bearer ",
    b"",
    b" ",
    b"Basic abc",
    b"Bearer ab",
    b"Bearer abcd",
    b"Bearer ABC",
    b"bearer: abc",
    b"Bearer \xff",
    b"Token abc",
    b"first token",
]


@pytest.mark.parametrize("value", ACCEPTED)
def test_a_known_token_is_recognised_in_every_form(value: bytes) -> None:
    assert CHECK.identify([value]) == CHECK.identify([b"Bearer abc"])
    assert isinstance(CHECK.identify([value]), str)


@pytest.mark.parametrize("value", REFUSED)
def test_anything_else_is_refused(value: bytes) -> None:
    refused = CHECK.identify([value])
    assert isinstance(refused, Refused)
    assert refused.message == "The provided bearer token is not valid"
    assert b'error="invalid_token"' in refused.challenge


def test_tokens_beyond_ascii_are_utf8() -> None:
    assert isinstance(CHECK.identify(["Bearer zwölf".encode()]), str)


def test_no_credentials_are_told_from_wrong_ones() -> None:
    refused = CHECK.identify([])
    assert isinstance(refused, Refused)
    assert refused.message.startswith("Missing authentication credentials")
    assert b"error" not in refused.challenge


def test_two_credentials_are_none() -> None:
    assert isinstance(CHECK.identify([b"Bearer abc", b"Bearer abc"]), Refused)


def test_principals_differ_and_tell_nothing_of_their_tokens() -> None:
    one, other = CHECK.identify([b"Bearer abc"]), CHECK.identify(["Bearer zwölf".encode()])
    assert one != other
    assert "abc" not in str(one)
    assert "abc" not in repr(CHECK)
