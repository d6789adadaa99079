"""What a backend is told of a caller: signed by us, for that backend, for minutes, and never what the client has shown (P-143)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import jwt
import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sluicegate.identity.outward.identity_keys import IdentityKey, IdentityKeys, new_key
from sluicegate.identity.outward.own_tokens import LIFE_SECONDS, MOST_KEPT, PAUSE_SECONDS, SHOWN_SECONDS, OwnTokens
from sluicegate.protocol.credential import Challenge
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.protocol.why import Why
from sluicegate.sources import Sources

Clock = trio.testing.MockClock
ANNA = Principal("anna", "https://id.test", frozenset({"b", "a"}), frozenset({"r"}))
PEM = new_key()
NONE = Challenge()


@attrs.define
class Disk:
    content: bytes | OSError = PEM
    reads: int = 0

    async def own(self) -> bytes:
        return await self.read(Path("own"))

    async def read(self, path: Path) -> bytes:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        if isinstance(self.content, OSError):
            raise self.content
        return self.content


@asynccontextmanager
async def telling(disk: Disk | None = None) -> AsyncGenerator[tuple[OwnTokens, IdentityKeys], None]:
    disk, sources = disk or Disk(), Sources.virtual(1)
    keys = IdentityKeys(disk.own, disk.read)
    tokens = OwnTokens("b", "https://gate.test", "https://b.test/mcp", keys, None, sources.wall, sources.secret)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tokens.run)
        yield tokens, keys
        nursery.cancel_scope.cancel()


def read(lines: bytes | Why | None, keys: IdentityKeys) -> dict[str, Any]:
    """As a backend does that has nothing but the published keys."""
    assert isinstance(lines, bytes)
    token = lines.decode().removeprefix("authorization: Bearer ").removesuffix("\r\n")
    known = jwt.PyJWKSet.from_dict(json.loads(keys.published()))
    key = known[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}
    found: dict[str, Any] = jwt.decode(token, key, audience="https://b.test/mcp", issuer="https://gate.test", options=options)
    return found


async def test_a_token_tells_who_calls_and_what_he_was_granted(autojump_clock: Clock) -> None:
    async with telling() as (tokens, keys):
        claims = read(await tokens.have(ANNA), keys)
    assert claims["sub"] == "https://id.test anna"
    assert claims["caller"] == {"subject": "anna", "issuer": "https://id.test", "name": "anna"}
    assert (claims["scope"], claims["roles"]) == ("a b", ["r"])
    assert claims["exp"] - claims["iat"] == LIFE_SECONDS


async def test_what_is_the_gateways_own_is_told_as_that(autojump_clock: Clock) -> None:
    async with telling() as (tokens, keys):
        claims = read(await tokens.have(NOBODY), keys)
    assert claims["sub"] == "https://gate.test"
    assert not claims.keys() & {"caller", "scope", "roles"}


async def test_two_issuers_who_know_the_same_name_are_two_callers(autojump_clock: Clock) -> None:
    async with telling() as (tokens, keys):
        told = {read(await tokens.have(Principal("anna", issuer)), keys)["sub"] for issuer in ("", "https://a.test", "https://b.test")}
    assert len(told) == 3


async def test_a_token_is_made_once_for_minutes_and_never_shown_at_its_end(autojump_clock: Clock) -> None:
    async with telling() as (tokens, keys):
        first = await tokens.have(ANNA)
        await trio.sleep(SHOWN_SECONDS - 1)
        assert tokens.at_hand(ANNA) == first
        await trio.sleep(1)
        second = tokens.at_hand(ANNA)
        assert second != first
        assert read(second, keys)["exp"] - read(second, keys)["iat"] > SHOWN_SECONDS


async def test_who_has_other_rights_than_before_is_told_of_anew(autojump_clock: Clock) -> None:
    async with telling() as (tokens, keys):
        await tokens.have(ANNA)
        assert read(tokens.at_hand(attrs.evolve(ANNA, roles=frozenset())), keys).get("roles") is None
        assert read(tokens.at_hand(attrs.evolve(ANNA, scopes=frozenset({"c"}))), keys)["scope"] == "c"


async def test_what_is_kept_of_callers_has_a_bound(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-147."""
    monkeypatch.setattr("sluicegate.identity.outward.own_tokens.MOST_KEPT", 8)
    async with telling() as (tokens, _):
        await tokens.have(NOBODY)
        for number in range(40):
            tokens.at_hand(Principal(f"p{number}"))
        assert len(tokens._made) == 8
    assert MOST_KEPT == 4096


async def test_a_refusal_has_a_new_one_made_unless_that_would_be_the_same(autojump_clock: Clock) -> None:
    async with telling() as (tokens, _):
        first = await tokens.have(ANNA)
        assert isinstance(first, bytes)
        assert isinstance(await tokens.renewed(ANNA, first, NONE), Why)
        await trio.sleep(10)
        second = await tokens.renewed(ANNA, first, NONE)
        assert isinstance(second, bytes)
        assert second != first
        assert await tokens.renewed(ANNA, first, NONE) == second


async def test_a_key_that_cannot_be_read_is_told_of_and_looked_for_again(autojump_clock: Clock) -> None:
    disk = Disk(OSError("no such disk"))
    async with telling(disk) as (tokens, keys):
        why = await tokens.have(ANNA)
        assert isinstance(why, Why)
        assert "no such disk" in why.operator
        assert "no such disk" not in why.public
        assert keys.published() == b""
        disk.content = PEM
        await trio.sleep(PAUSE_SECONDS + 1)
        assert read(await tokens.have(ANNA), keys)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(ec.generate_private_key(ec.SECP384R1()), "ES384"), (ed25519.Ed25519PrivateKey.generate(), "EdDSA"), (rsa.generate_private_key(65537, 2048), "RS256")],
)  # fmt: skip
async def test_a_key_of_any_kind_is_published_as_others_read_it(autojump_clock: Clock, key: Any, algorithm: str) -> None:
    async with telling(Disk(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))) as (tokens, keys):
        assert read(await tokens.have(ANNA), keys)
    (published,) = json.loads(keys.published())["keys"]
    assert (published["alg"], published["use"]) == (algorithm, "sig")
    assert "d" not in published


def test_a_key_is_called_by_its_thumbprint() -> None:
    """RFC 7638, with PyJWT's reading of the same key as the judge."""
    key = IdentityKey.of(PEM)
    assert IdentityKey.of(PEM).id == key.id
    assert jwt.PyJWK.from_dict(dict(key.public)).key_id == key.id
    assert len(key.id) == 43
