"""Whatever strangers and issuers send: it is read or refused, in words, and nothing breaks."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.kit.issuer import AUDIENCE, ISSUER, rsa_key, signed

from sluicegate.identity.signed_token import SignedToken, read_signed
from sluicegate.identity.signing_keys import KeySet, SigningKey, UnreadableKeys, read_key_file, read_key_set
from sluicegate.identity.token_rules import TokenRules
from sluicegate.identity.verifying import Denied

NOW = 1_800_000_000.0
RULES = TokenRules(ISSUER, AUDIENCE, frozenset({"ES256", "RS256", "EdDSA"}), frozenset({"jwt"}), 60, lambda: NOW)
KEYS = (ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), rsa_key())
GOOD = [{**key.as_dict(private=False), "kid": "k"} for key in KEYS]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "x5c", "d", "k")
entries = st.sampled_from(GOOD).flatmap(
    lambda good: st.dictionaries(st.sampled_from(MEMBERS), anything, max_size=3).map(lambda changed: {**good, **changed})
)
ODD: list[Any] = [[], {}, None, 3, "", "\x00", 1e300, -1]
CLAIMS = ("iss", "aud", "sub", "exp", "nbf", "iat", "cnf", "client_id", "scope", "scp")


@given(st.lists(entries | anything, max_size=4))
@example([{**GOOD[0], member: value} for member in MEMBERS for value in ODD])
def test_a_key_that_is_nonsense_is_left_out_and_the_others_are_there(given: list[Any]) -> None:
    found = read_key_set({"keys": [*given, *GOOD]})
    assert len(found.keys) >= len(GOOD)
    assert all(isinstance(remark, str) for remark in found.remarks)


@given(st.binary(max_size=300) | anything.map(lambda value: json.dumps(value).encode()))
def test_a_file_holds_keys_or_it_is_said_why_not(content: bytes) -> None:
    with suppress(UnreadableKeys):
        assert read_key_file(content).keys


@given(st.binary(max_size=200), st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_bytes_are_a_token_or_none(raw: bytes, parts: list[bytes]) -> None:
    encoded = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    assert all(isinstance(read_signed(token), SignedToken | Denied) for token in (raw, encoded))


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), anything, max_size=3),
    st.dictionaries(st.sampled_from(CLAIMS), anything, max_size=3),
)
def test_what_a_token_says_is_judged_whatever_it_is(head: dict[str, Any], claims: dict[str, Any]) -> None:
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": NOW + 60, **claims}
    token = read_signed(signed({"alg": "ES256", **head}, whole, KEYS[0], "ES256").encode())
    if isinstance(token, SignedToken):
        assert isinstance(RULES.objection(token), Denied | None)
        if RULES.objection(token) is None:
            found = RULES.principal(token)
            assert isinstance(found, Denied) or found.key == f"{ISSUER} {found.subject}"


@given(st.sampled_from(["ES256", "RS256", "EdDSA", "Ed25519", "PS256"]), st.binary(max_size=300))
def test_a_signature_that_nobody_made_is_nobodys(algorithm: str, signature: bytes) -> None:
    keys = KeySet(tuple(found for found in read_key_set({"keys": GOOD}).keys))
    text = signed({"alg": algorithm, "kid": "k"}, {"iss": ISSUER}, None).encode()
    token = read_signed(text + base64.urlsafe_b64encode(signature + b"..").rstrip(b"="))
    assert isinstance(token, SignedToken)
    assert not any(key.has_signed(token) for key in keys.candidates(token))


def test_the_keys_of_a_token_are_of_its_kind() -> None:
    keys = read_key_set({"keys": GOOD})
    for algorithm, kind in {"ES256": ECKey, "RS256": RSAKey, "Ed25519": OKPKey, "ES384": None, "HS256": None, "none": None}.items():
        token = SignedToken(algorithm, "k", "", {}, b"{}", b"", b"")
        found: list[SigningKey] = list(keys.candidates(token))
        assert [type(key.key) for key in found] == ([] if kind is None else [kind])
