"""Who is behind a token."""

from __future__ import annotations

import attrs
import pytest

from sluicegate.identity.bearer import BearerTokens
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
    assert "abc" not in repr(CHECK)
