"""Callers who show tokens that an issuer gave: what of a header is a token, who judges it, and what is said to whom."""

from __future__ import annotations

import base64
import gc
import weakref

import attrs
import pytest

from sluicegate.identity.challenges import Challenges
from sluicegate.identity.identify import Refused
from sluicegate.identity.issued_tokens import ByTheirForm, IssuedTokens, WithTheirTokens, is_jwt
from sluicegate.identity.protected_resource import ProtectedResource
from sluicegate.identity.verifying import LONGEST_TOKEN, Denied, is_token, read_bearer, scopes_of
from sluicegate.protocol.principal import Principal
from sluicegate.protocol.request_headers import RequestHeaders, read_headers

ANN = Principal("ann", "https://id.example", frozenset({"a", "b"}))
RESOURCE = ProtectedResource("desk", ("https://id.example",), (), "https://gate.example")


def part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


JWT = ".".join((part('{"alg":"ES256"}'), part("{}"), "sig"))


@attrs.frozen
class Sending:
    headers: RequestHeaders
    method: str = "POST"
    path: str = "/mcp"
    certificate: None = None


@attrs.define
class Says:
    """A verifier that says the same of each token."""

    answer: Principal | Denied
    asked: list[bytes] = attrs.field(factory=list)

    async def verify(self, token: bytes) -> Principal | Denied:
        self.asked.append(token)
        return self.answer


async def identify(answer: Principal | Denied, *values: bytes, required: tuple[str, ...] = ()) -> Principal | Refused:
    identity = IssuedTokens(Says(answer), Challenges(RESOURCE, required))
    return await identity.identify(Sending(read_headers([(b"authorization", value) for value in values])))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((), None),
        ((b"Bearer abc",), b"abc"),
        ((b" bearer  abc ",), b"abc"),
        ((b"Bearer " + b"x" * LONGEST_TOKEN,), b"x" * LONGEST_TOKEN),
        ((b"Bearer " + b"x" * (LONGEST_TOKEN + 1),), Denied(f"invalid token: it is empty, or has more than {LONGEST_TOKEN} bytes")),
        ((b"Bearer ",), Denied(f"invalid token: it is empty, or has more than {LONGEST_TOKEN} bytes")),
        ((b"abc",), Denied("invalid token: write Authorization: Bearer TOKEN")),
        ((b"Basic abc",), Denied("invalid token: write Authorization: Bearer TOKEN")),
        ((b"Bearer abc", b"Bearer abc"), Denied("invalid token: write Authorization: Bearer TOKEN")),
    ],
)
def test_a_token_comes_in_one_header_as_a_bearers(values: tuple[bytes, ...], found: object) -> None:
    assert read_bearer(values) == found


@pytest.mark.parametrize(
    ("text", "is_one"), [(b"aZ0-._~+/==", True), (b"a b", False), (b"=a", False), (b"a=a", False), (b"\xff", False), (b"", False)]
)
def test_what_has_other_signs_is_no_token(text: bytes, is_one: bool) -> None:
    assert is_token(text) is is_one


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, {"a", "b"}),
        ({"scope": " a  b "}, {"a", "b"}),
        ({"scp": ["a", "b", 7]}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scope": ["a b"]}, {"a b"}),
        ({"scope": "a", "scp": ["b"]}, {"a", "b"}),
        ({"scope": 7, "scp": {"a": 1}}, set()),
        ({}, set()),
    ],
)
def test_scopes_are_a_text_or_a_list(claims: dict[str, object], scopes: set[str]) -> None:
    """AUTH-13."""
    assert scopes_of(claims) == scopes


def test_of_very_many_scopes_the_first_count() -> None:
    assert len(scopes_of({"scope": " ".join(map(str, range(100_000)))})) == 512


async def test_who_is_known_comes_in() -> None:
    assert await identify(ANN, b"Bearer x", required=("a",)) == ANN


@pytest.mark.parametrize(
    ("answer", "values", "status", "told"),
    [
        (ANN, (), 401, b'scope="a c", resource_metadata='),
        (Denied("token has expired"), (b"Bearer x",), 401, b'error="invalid_token", error_description="token has expired", scope="a c"'),
        (ANN, (b"Bearer x",), 403, b'error="insufficient_scope"'),
        (Denied("away", 9), (b"Bearer x",), 503, b""),
    ],
    ids=["nothing", "no good", "too little", "nobody can tell"],
)
async def test_who_is_not_let_in_is_told_why_by_the_status(
    answer: Principal | Denied, values: tuple[bytes, ...], status: int, told: bytes
) -> None:
    refused = await identify(answer, *values, required=("a", "c"))
    assert isinstance(refused, Refused)
    assert (refused.status, refused.retry_after) == (status, 9 if status == 503 else None)
    assert told in refused.challenge
    assert bool(told) is bool(refused.challenge)


@pytest.mark.parametrize(
    ("token", "is_one"),
    [
        (JWT, True),
        ("opaque", False),
        ("a.b.c", False),
        (f"{part('{}')}.x.y", False),
        (f"{part('[]')}.x.y", False),
        (f"{part('[' * 10_000)}.x.y", False),
        (JWT + ".more", False),
        (JWT + ".more.still", False),
    ],
)
async def test_only_what_is_no_jwt_is_asked_about(token: str, is_one: bool) -> None:
    """AUTH-10: a JWT that is no good stays so, whatever its issuer would say of it."""
    signed, opaque = Says(Denied("token has expired")), Says(ANN)
    found = await ByTheirForm(signed, opaque).verify(token.encode())
    assert (isinstance(found, Denied), len(signed.asked), len(opaque.asked)) == (is_one, int(is_one), int(not is_one))
    assert is_jwt(token.encode()) is is_one


async def test_who_has_his_token_with_him_is_the_same_with_each_request(autojump_clock: object) -> None:
    """Whatever is asked only of somebody new is asked once, as it is of those who have none with them."""
    said = Says(attrs.evolve(ANN, claims={"sub": "ann"}))
    verifier = WithTheirTokens(said)
    ann, other = await verifier.verify(b"one"), await verifier.verify(b"two")
    assert isinstance(ann, Principal)
    assert isinstance(other, Principal)
    assert (ann.token, other.token) == (b"one", b"two")
    assert await verifier.verify(bytes(bytearray(b"one"))) is ann
    assert await verifier.verify(b"two") is other

    said.answer = attrs.evolve(ANN, roles=frozenset({"r"}), claims={"sub": "ann"})
    again = await verifier.verify(b"one")
    assert isinstance(again, Principal)
    assert (again.roles, again.token) == (frozenset({"r"}), b"one")


async def test_a_token_is_forgotten_when_nobody_has_it_with_him(autojump_clock: object) -> None:
    verifier = WithTheirTokens(Says(attrs.evolve(ANN, claims={"sub": "ann"})))
    ann = await verifier.verify(b"one")
    gone = weakref.ref(ann)
    del ann
    gc.collect()
    assert gone() is None
