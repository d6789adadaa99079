"""Who is behind a token."""

from __future__ import annotations

import hashlib
import re

import attrs
import pytest

from sluicegate.identity.bearer import BearerTokens, KnownToken
from sluicegate.identity.identify import Refused
from sluicegate.protocol.principal import Principal
from sluicegate.protocol.request_headers import RequestHeaders, read_headers

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


@attrs.frozen
class Sending:
    headers: RequestHeaders
    method: str = "POST"
    path: str = "/mcp"
    certificate: None = None


def identify(*values: bytes) -> Principal | Refused:
    """Whom these credentials belong to; a checkpoint on the way would cost every request a turn of everybody else."""
    asking = CHECK.identify(Sending(read_headers([(b"authorization", value) for value in values])))
    with pytest.raises(StopIteration) as told:
        asking.send(None)
    answer = told.value.value
    assert isinstance(answer, Principal | Refused)
    return answer


@pytest.mark.parametrize("value", ACCEPTED)
def test_a_known_token_is_recognised_in_every_form(value: bytes) -> None:
    assert identify(value) == identify(b"Bearer abc")
    assert isinstance(identify(value), Principal)


@pytest.mark.parametrize("value", REFUSED)
def test_anything_else_is_refused(value: bytes) -> None:
    refused = identify(value)
    assert isinstance(refused, Refused)
    assert refused.message == "The provided bearer token is not valid"
    assert b'error="invalid_token"' in refused.challenge


def test_tokens_beyond_ascii_are_utf8() -> None:
    assert isinstance(identify("Bearer zwölf".encode()), Principal)


def test_no_credentials_are_told_from_wrong_ones() -> None:
    refused = identify()
    assert isinstance(refused, Refused)
    assert refused.message.startswith("Missing authentication credentials")
    assert b"error" not in refused.challenge


def test_two_credentials_are_none() -> None:
    assert isinstance(identify(b"Bearer abc", b"Bearer abc"), Refused)


def test_principals_differ_and_tell_nothing_of_their_tokens() -> None:
    one, other = identify(b"Bearer abc"), identify("Bearer zwölf".encode())
    assert isinstance(one, Principal)
    assert isinstance(other, Principal)
    assert one.key != other.key
    assert (one.key, one.how) == (one.subject, "bearer")
    assert "abc" not in str(one)
    assert "abc" not in re.sub("0x[0-9a-f]+", "", repr(CHECK)), "but for its address"


def known(*tokens: KnownToken, now: float = 0.0) -> BearerTokens:
    return BearerTokens(tokens, lambda: now)


def shown(tokens: BearerTokens, token: str) -> Principal | Refused:
    asking = tokens.identify(Sending(read_headers([(b"authorization", token.encode())])))
    with pytest.raises(StopIteration) as told:
        asking.send(None)
    answer: Principal | Refused = told.value.value
    return answer


@pytest.mark.parametrize("form", ["Bearer {}", "ApiKey {}", "{}"])
def test_a_token_with_rules_of_its_own_is_taken_in_every_form(form: str) -> None:
    """AUTH-3: as all others are."""
    found = shown(known(KnownToken.of("abc", name="ci", roles=frozenset({"r"}))), form.format("abc"))
    assert isinstance(found, Principal)
    assert (found.key, found.name, found.roles, found.how) == ("ci", "ci", frozenset({"r"}), "bearer")


def test_a_token_may_be_known_by_its_digest_alone() -> None:
    digest = hashlib.sha256(b"abc").digest()
    assert shown(known(KnownToken.of(digest)), "Bearer abc") == shown(known(KnownToken.of("abc")), "Bearer abc")
    assert isinstance(shown(known(KnownToken.of(digest)), f"Bearer {digest.hex()}"), Refused)


def test_two_tokens_with_one_name_are_the_same_caller() -> None:
    """So a token can be exchanged for the next without anybody losing his session."""
    tokens = known(KnownToken.of("old", name="ci"), KnownToken.of("new", name="ci"), KnownToken.of("other"))
    old, new, other = (shown(tokens, f"Bearer {token}") for token in ("old", "new", "other"))
    assert isinstance(old, Principal)
    assert isinstance(new, Principal)
    assert isinstance(other, Principal)
    assert old.key == new.key != other.key


@pytest.mark.parametrize(("now", "holds"), [(99.0, True), (99.999, True), (100.0, False), (101.0, False)])
def test_a_token_ends_when_it_is_to(now: float, *, holds: bool) -> None:
    answer = shown(known(KnownToken.of("abc", expires_at=100.0), now=now), "Bearer abc")
    assert isinstance(answer, Principal) is holds
    if isinstance(answer, Refused):
        assert (answer.status, answer.message) == (401, "The provided bearer token has expired")


def test_no_token_and_no_digest_can_be_seen() -> None:
    token = KnownToken.of("abc", name="ci")
    assert "ci" not in f"{token!r} {known(token)!r}"
    assert token.digest.hex() not in f"{token!r} {known(token)!r}"
