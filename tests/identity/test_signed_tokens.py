"""What is kept of signed tokens, and how much of it."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest
import trio
from joserfc.jwk import OKPKey
from tests.kit.issuer import AUDIENCE, ISSUER, Issuer

from sluicegate.identity.issuer_keys import GivenKeys
from sluicegate.identity.kept_verdicts import KeptVerdicts
from sluicegate.identity.signed_token import SignedToken
from sluicegate.identity.signed_tokens import KEPT_SECONDS, SignedTokens, TrustedIssuer
from sluicegate.identity.signing_keys import SigningKey, read_key_set
from sluicegate.identity.token_rules import TokenRules
from sluicegate.protocol.principal import Principal
from sluicegate.sources import Sources

WALL = Sources.virtual(1).wall
PER_PRINCIPAL = 3 * 1024
"""Bytes: ten thousand are below 30 MiB, and 40 are allowed with what others keep of them."""


def verifying() -> tuple[Issuer, SignedTokens]:
    issuer = Issuer(WALL, keys={"k": OKPKey.generate_key("Ed25519")})
    rules = TokenRules(ISSUER, AUDIENCE, frozenset({"EdDSA"}), frozenset({"at+jwt"}), 60, WALL)
    keys = GivenKeys(read_key_set(issuer.document()))
    return issuer, SignedTokens({ISSUER: TrustedIssuer(rules, keys)}, KeptVerdicts(KEPT_SECONDS, WALL))


async def test_what_is_known_of_somebody_takes_little(autojump_clock: object) -> None:
    issuer, tokens = verifying()
    usual: dict[str, Any] = {
        "name": "Ann Example",
        "email": "ann@example.org",
        "scope": "openid mcp",
        "groups": [f"group-{number:02}" for number in range(20)],
    }
    shown = [issuer.token(sub=f"user-{number}", jti=f"{number:036}", **usual).encode() for number in range(1000)]
    found = await tokens.verify(shown[0])
    gc.collect()
    tracemalloc.start()
    try:
        for token in shown:
            found = await tokens.verify(token)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept <= PER_PRINCIPAL * len(shown)
    assert isinstance(found, Principal)
    assert found.claims["groups"] == usual["groups"]


async def test_a_token_is_looked_at_again_after_five_minutes(autojump_clock: object) -> None:
    issuer, tokens = verifying()
    token = issuer.token(exp=WALL() + 3600).encode()
    first = await tokens.verify(token)
    await trio.sleep(KEPT_SECONDS - 1)
    assert await tokens.verify(token) is first
    await trio.sleep(1)
    again = await tokens.verify(token)
    assert (again == first, again is first) == (True, False)


async def test_what_is_known_is_told_without_a_checkpoint(autojump_clock: object) -> None:
    """One on the way of every call would cost it a turn of everybody else."""
    issuer, tokens = verifying()
    token = issuer.token().encode()
    await tokens.verify(token)
    with pytest.raises(StopIteration) as done:
        tokens.verify(token).send(None)
    assert isinstance(done.value.value, Principal)


async def test_a_token_that_many_show_at_a_time_is_looked_at_once(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, tokens = verifying()
    looked, found = list[object](), list[object]()
    has_signed = SigningKey.has_signed

    def counting(key: SigningKey, token: SignedToken) -> bool:
        looked.append(token)
        return has_signed(key, token)

    async def show(token: bytes) -> None:
        found.append(await tokens.verify(token))

    monkeypatch.setattr(SigningKey, "has_signed", counting)
    good, forged = issuer.token().encode(), issuer.token(jti="x").encode()[:-8] + b"AAAAAAAA"
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(show, good)
            nursery.start_soon(show, forged)
    assert len(looked) == 2
    assert len(set(map(id, found))) == 2
