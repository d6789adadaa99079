"""What is kept of signed tokens, and how much of it."""

from __future__ import annotations

import gc
import tracemalloc
from hashlib import sha256
from typing import Any

import attrs
import pytest
import trio
from joserfc.jwk import ECKey, OKPKey
from tests.kit.issuer import AUDIENCE, ISSUER, Issuer, Key

from sluicegate.identity.issuer_keys import GivenKeys
from sluicegate.identity.kept_verdicts import KeptVerdicts
from sluicegate.identity.signed_token import SignedToken
from sluicegate.identity.signed_tokens import KEPT_SECONDS, SignedTokens, TrustedIssuer
from sluicegate.identity.signing_keys import KeySet, SigningKey, read_key_file, read_key_set
from sluicegate.identity.token_rules import TokenRules
from sluicegate.identity.verifying import Denied
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


NAMELESS = [ECKey.generate_key("P-256") for _ in range(4)]


def in_files(keys: list[Key]) -> KeySet:
    """As if each were in a file of its own, in PEM, where no key has a name."""
    return KeySet(tuple(key for one in keys for key in read_key_file(one.as_pem(private=False)).keys))


def by(keys: GivenKeys) -> SignedTokens:
    rules = TokenRules(ISSUER, AUDIENCE, frozenset({"ES256"}), frozenset({"at+jwt"}), 60, WALL)
    return SignedTokens({ISSUER: TrustedIssuer(rules, keys)}, KeptVerdicts(KEPT_SECONDS, WALL))


@pytest.mark.parametrize("kid", [None, "k"])
@pytest.mark.parametrize("signer", range(len(NAMELESS)))
async def test_keys_without_names_can_be_exchanged_whether_tokens_name_one_or_not(
    autojump_clock: object, kid: str | None, signer: int
) -> None:
    """The old one and the new one, each in its file, serve side by side."""
    issuer, tokens = Issuer(WALL, keys={"k": NAMELESS[signer]}), by(GivenKeys(in_files([*NAMELESS])))
    assert isinstance(await tokens.verify(issuer.token(head={"kid": kid}).encode()), Principal)
    stranger = Issuer(WALL, keys={"k": ECKey.generate_key("P-256")})
    assert isinstance(await tokens.verify(stranger.token(head={"kid": kid}).encode()), Denied)


@attrs.frozen(eq=False, repr=False)
class Withdrawn(GivenKeys):
    """Keys of which one is withdrawn as soon as somebody has been told of them."""

    kept: KeptVerdicts
    nursery: trio.Nursery

    async def candidates(self, token: SignedToken) -> tuple[SigningKey, ...] | Denied:
        async def withdraw() -> None:
            self.kept.forget()

        self.nursery.start_soon(withdraw)
        return await super().candidates(token)


@pytest.mark.parametrize("signer", [NAMELESS[2], ECKey.generate_key("P-256")], ids=["good", "forged"])
async def test_what_was_found_by_keys_of_which_one_was_withdrawn_meanwhile_is_not_kept(autojump_clock: object, signer: ECKey) -> None:
    """A look takes a turn of the loop for each key, and others may be in front."""
    token = Issuer(WALL, keys={"k": signer}).token().encode()
    async with trio.open_nursery() as nursery:
        kept = KeptVerdicts(KEPT_SECONDS, WALL)
        rules = by(GivenKeys(in_files([]))).issuers[ISSUER].rules
        await SignedTokens({ISSUER: TrustedIssuer(rules, Withdrawn(in_files([*NAMELESS]), kept, nursery))}, kept).verify(token)
        assert kept.find(sha256(token).digest()) is None


async def test_a_client_that_acts_for_itself_is_nobody_who_is_called_like_it(autojump_clock: object) -> None:
    issuer, tokens = verifying()
    client = await tokens.verify(issuer.token(sub=None, client_id="robot").encode())
    person = await tokens.verify(issuer.token(sub="robot").encode())
    assert isinstance(client, Principal)
    assert isinstance(person, Principal)
    assert (client.subject, client.name) == ("client_id:robot", "robot")
    assert client.key != person.key
