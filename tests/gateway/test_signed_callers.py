"""Callers who show signed tokens, through the whole of a gateway: what each claim and each member of the head may be, at its very edge."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import attrs
import pytest
import trio
from joserfc.jwk import ECKey, OKPKey
from tests.kit.believing import AUTH, fronting
from tests.kit.issuer import AUDIENCE, ISSUER, Issuer, Key, rsa_key, signed

from sluicegate.config.model import IssuerSettings
from sluicegate.sources import Sources

LEEWAY = AUTH.leeway_seconds

GOOD_CLAIMS: list[dict[str, Any]] = [
    {},
    {"aud": ["x", AUDIENCE]},
    {"exp": -LEEWAY + 1},
    {"nbf": LEEWAY},
    {"iat": LEEWAY},
    {"iat": None},
    {"nbf": 0.5},
    {"sub": None, "client_id": "robot"},
    {"sub": None, "client_id": "r" * 256},
    {"sub": "s" * 256},
    {f"claim{number}": number for number in range(128 - 5)},
]
"""Times are told by how far they are from now."""


def at(wall: float, claims: dict[str, Any]) -> dict[str, Any]:
    return {
        name: wall + value if name in ("exp", "nbf", "iat") and type(value) in (int, float) else value for name, value in claims.items()
    }


@pytest.mark.parametrize("claims", GOOD_CLAIMS, ids=lambda claims: ",".join(claims)[:30])
async def test_a_token_comes_in_up_to_the_edge_of_what_it_may_say(claims: dict[str, Any], autojump_clock: object) -> None:
    async with fronting() as front:
        assert await front.told(front.issuer.token(**at(front.issuer.wall(), claims))) == (200, "")


BAD_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://id.example/"}, "its issuer is none that is believed here"),
    ({"iss": None}, "its issuer is none"),
    ({"iss": [ISSUER]}, "its issuer is none"),
    ({"aud": None}, "token audience does not match"),
    ({"aud": []}, "token audience does not match"),
    ({"aud": AUDIENCE + "/"}, "token audience does not match"),
    ({"aud": {AUDIENCE: 1}}, "token audience does not match"),
    ({"aud": "x" + AUDIENCE}, "token audience does not match"),
    ({"exp": -LEEWAY}, "token has expired"),
    ({"exp": -LEEWAY - 1}, "token has expired"),
    ({"exp": None}, "it says no end"),
    ({"exp": "1e12"}, "its times are no numbers"),
    ({"exp": True}, "its times are no numbers"),
    ({"exp": 1e13}, "its times are no numbers"),
    ({"nbf": LEEWAY + 1}, "it does not hold yet"),
    ({"nbf": "x"}, "its times are no numbers"),
    ({"iat": LEEWAY + 1}, "it was issued in the future"),
    ({"iat": [1]}, "its times are no numbers"),
    ({"sub": None}, "it names nobody"),
    ({"sub": ""}, "it names nobody"),
    ({"sub": 7}, "it names nobody"),
    ({"sub": "s" * 257}, "it names nobody"),
    ({"sub": "an\nn"}, "it names nobody"),
    ({"sub": None, "client_id": "rob\not"}, "it names nobody"),
    ({"sub": "client_id:robot"}, "it names nobody"),
    ({"aud": [AUDIENCE, *("x" * 100 for _ in range(50))]}, "token audience does not match"),
    ({"cnf": {"jkt": "x"}}, "it is bound to a key"),
    ({f"claim{number}": number for number in range(128 - 4)}, "more than 128 claims"),
]


@pytest.mark.parametrize(("claims", "why"), BAD_CLAIMS, ids=lambda part: (",".join(part) if isinstance(part, dict) else part)[:30])
async def test_a_token_stays_outside_beyond_that_edge(claims: dict[str, Any], why: str, autojump_clock: object) -> None:
    async with fronting() as front:
        status, said = await front.told(front.issuer.token(**at(front.issuer.wall(), claims)))
        assert (status, why in said) == (401, True), said


GOOD_HEADS: list[dict[str, Any]] = [
    {"typ": None},
    {"typ": "JWT"},
    {"typ": "application/AT+JWT"},
    {"kid": None},
    {"jku": "https://evil.example", "jwk": {}, "x5u": "https://evil.example"},
]


@pytest.mark.parametrize("head", GOOD_HEADS, ids=",".join)
async def test_a_head_may_say_what_is_known_and_what_does_not_matter(head: dict[str, Any], autojump_clock: object) -> None:
    async with fronting() as front:
        assert await front.told(front.issuer.token(head=head)) == (200, "")


BAD_HEADS: list[tuple[dict[str, Any], str]] = [
    ({"typ": "logout+jwt"}, "of a type that is not taken"),
    ({"typ": 3}, "it is no signed JWT"),
    ({"crit": ["exp"]}, "its head demands what is not known here"),
    ({"crit": []}, "its head demands what is not known here"),
    ({"b64": False}, "its head demands what is not known here"),
    ({"alg": "none"}, "an algorithm that is not taken"),
    ({"alg": "HS256"}, "an algorithm that is not taken"),
    ({"alg": "RS512"}, "an algorithm that is not taken"),
    ({"alg": "es256"}, "an algorithm that is not taken"),
    ({"alg": None}, "it is no signed JWT"),
    ({"kid": 3}, "it is no signed JWT"),
    ({"kid": "k" * 513}, "the name of its key is too long"),
    ({"x5c": "c" * 4096}, "its head is too long"),
]


@pytest.mark.parametrize(("head", "why"), BAD_HEADS, ids=lambda part: str(part)[:30])
async def test_a_head_may_say_nothing_else(head: dict[str, Any], why: str, autojump_clock: object) -> None:
    async with fronting() as front:
        kid, key = next(iter(front.issuer.keys.items()))
        whole = {name: value for name, value in ({"alg": "ES256", "kid": kid} | head).items() if value is not None}
        status, said = await front.told(signed(whole, front.issuer.claims(), key, "ES256"))
        assert (status, why in said) == (401, True), said


@pytest.mark.parametrize("skew", [-300, 300])
@pytest.mark.parametrize(("leeway", "comes_in"), [(300, True), (299, False), (0, False)])
async def test_clocks_may_differ_by_the_leeway_and_no_more(skew: int, leeway: int, comes_in: bool, autojump_clock: object) -> None:
    """The issuer's is five minutes ahead, or behind with a token that lasts for one second more than nothing."""
    async with fronting(attrs.evolve(AUTH, leeway_seconds=leeway)) as front:
        now = front.issuer.wall() + skew
        lasting = 1 if skew < 0 else 600
        assert (await front.told(front.issuer.token(iat=now, nbf=now, exp=now + lasting)))[0] == (200 if comes_in else 401)


async def test_a_token_that_ends_is_refused_from_that_second_on_though_it_was_taken_before(autojump_clock: object) -> None:
    async with fronting(attrs.evolve(AUTH, leeway_seconds=0)) as front:
        token = front.issuer.token(exp=front.issuer.wall() + 30)
        assert (await front.told(token))[0] == 200
        await trio.sleep(29)
        assert (await front.told(token))[0] == 200
        await trio.sleep(1)
        assert await front.told(token) == (401, "token has expired")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES384", "EdDSA", "Ed25519"])
async def test_each_algorithm_goes_with_keys_of_its_kind_alone(algorithm: str, autojump_clock: object) -> None:
    """A key of another kind under the same name is none that the token could have been signed with."""
    keys: dict[str, Key] = {
        "RS256": rsa_key(),
        "PS256": rsa_key(),
        "ES384": ECKey.generate_key("P-384"),
        "EdDSA": OKPKey.generate_key("Ed25519"),
    }
    right = keys.get(algorithm, keys["EdDSA"])
    for key, status in [(right, 200), (ECKey.generate_key("P-256"), 401)]:
        async with fronting() as front:
            front.issuer.keys = {"k": key}
            await trio.sleep(300)
            token = signed({"alg": algorithm, "kid": "k"}, front.issuer.claims(), right, algorithm)
            assert (await front.told(token))[0] == status


async def test_a_public_key_is_no_shared_secret(autojump_clock: object) -> None:
    """Whoever signs with the text of the public key, as a shared secret, has signed nothing (RFC 8725, 2.1)."""
    async with fronting() as front:
        front.issuer.keys = {"k": rsa_key()}
        await trio.sleep(300)
        for algorithm in ("RS256", "HS256"):
            text = signed({"alg": algorithm, "kid": "k"}, front.issuer.claims(), None)
            signature = hmac.digest(rsa_key().as_pem(private=False), text[:-1].encode(), "sha256")
            assert (await front.told(text + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()))[0] == 401


async def test_nothing_of_a_token_can_be_changed(autojump_clock: object) -> None:
    async with fronting() as front:
        head, claims, signature = front.issuer.token().split(".")
        other = base64.urlsafe_b64encode(json.dumps(front.issuer.claims(sub="bob")).encode()).rstrip(b"=").decode()
        stranger = Issuer(front.issuer.wall).token()
        for token in (
            f"{head}.{other}.{signature}",
            f"{head}.{claims}.{signature[:-4]}AAAA",
            f"{head}.{claims}.",
            f"{head}.{claims}",
            stranger,
        ):
            assert (await front.told(token))[0] == 401
        assert (await front.told(f"{head}.{claims}.{signature}"))[0] == 200


@pytest.mark.parametrize("values", [(), ("Basic x",), ("Bearer",), ("Bearer a b",), ("{}", "{}"), ("x{}",), ("Bearer {}x" + "y" * 20_000,)])
async def test_a_token_stands_alone_in_its_header(values: tuple[str, ...], autojump_clock: object) -> None:
    async with fronting() as front:
        token = f"Bearer {front.issuer.token()}"
        answer = await front.ask(*(value.replace("Bearer {}", token).replace("{}", token) for value in values))
        assert answer.status_code == 401
        assert 'resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource' in answer.headers["www-authenticate"]
        assert (await front.ask(token.replace("Bearer", "bearer"))).status_code == 200


async def test_where_to_get_a_token_is_told(autojump_clock: object) -> None:
    async with fronting() as front:
        document = (await front.http.get("/.well-known/oauth-protected-resource/mcp")).json()
        assert document["authorization_servers"] == [ISSUER]


async def test_each_issuer_vouches_for_its_own_alone(autojump_clock: object, tmp_path: Any) -> None:
    other = Issuer(Sources.virtual(1).wall, name="other")
    (tmp_path / "other.json").write_text(json.dumps(other.document()))
    also = IssuerSettings(issuer="other", audience="gate", key_files=(str(tmp_path / "other.json"),))
    async with fronting(attrs.evolve(AUTH, issuers=(also,))) as front:
        assert (await front.told(other.token(aud="gate")))[0] == 200
        assert (await front.told(front.issuer.token()))[0] == 200
        assert (await front.told(other.token()))[1] == "token audience does not match"
        assert (await front.told(other.token(iss=ISSUER)))[0] == 401
        assert (await front.told(other.token(iss=ISSUER, head={"kid": None})))[0] == 401


async def test_keys_are_found_by_what_the_issuer_says_of_itself(autojump_clock: object) -> None:
    async with fronting(attrs.evolve(AUTH, jwks_uri=None)) as front:
        assert (await front.told(front.issuer.token()))[0] == 200
