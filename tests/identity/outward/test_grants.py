"""How a token is asked for: with a secret, or with a signature that nobody else can make."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio.testing
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.kit.token_issuer import TokenIssuer

from sluicegate.identity.fetching import Fetcher
from sluicegate.identity.outward.grants import ClientGrant, ClientProof, KeyProof, SecretProof, token_in
from sluicegate.identity.outward.server_search import ServerSearch
from sluicegate.identity.outward.signing import KeyFile
from sluicegate.identity.outward.token_keeper import Token
from sluicegate.protocol.credential import Challenge
from sluicegate.protocol.why import Why
from sluicegate.testing.memory_web import MemoryWeb

Clock = trio.testing.MockClock
URL = "https://backend.test/mcp"
NOW = 1_800_000_000.0
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def pem(key: Any) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made


def signing(content: bytes) -> KeyFile:
    async def read(path: Path) -> bytes:
        await trio.lowlevel.checkpoint()
        assert path == Path("/k.pem")
        return content

    return KeyFile("/k.pem", read, lambda: NOW, lambda count: b"\7" * count)


async def fetch(server: TokenIssuer, proof: ClientProof, *scopes: str, more: tuple[str, ...] = (), **given: Any) -> Token | Why:
    fetcher = Fetcher(MemoryWeb({"id.test": server}).open_http)
    search = ServerSearch(URL, fetcher, **({"issuer": server.issuer} | given))
    return await ClientGrant(search, fetcher, proof, scopes).fetch(more, Challenge())


async def test_a_secret_goes_into_a_header_and_each_part_is_quoted(autojump_clock: Clock) -> None:
    """RFC 6749, 2.3.1."""
    server = TokenIssuer()
    assert await fetch(server, SecretProof("a:b", "p%w:d"), "x", "y", more=("y", "z")) == Token("token-1", 300.0)
    (form,) = server.asked
    assert base64.b64decode(form.pop("authorization").removeprefix("Basic ")) == b"a%3Ab:p%25w%3Ad"
    assert form == {"grant_type": "client_credentials", "scope": "x y z", "resource": URL}


@pytest.mark.parametrize(("methods", "in_form"), [(["client_secret_post"], True), (["client_secret_post", "client_secret_basic"], False)])
async def test_a_secret_goes_into_the_form_only_where_nothing_else_is_taken(
    autojump_clock: Clock, methods: list[str], in_form: bool
) -> None:
    server = TokenIssuer()
    document = server.metadata | {"token_endpoint_auth_methods_supported": methods}
    server.documents["/.well-known/oauth-authorization-server"] = document
    assert isinstance(await fetch(server, SecretProof("a", "s")), Token)
    assert (server.asked[0].get("client_secret") == "s") is in_form
    assert ("authorization" in server.asked[0]) is not in_form


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize(
    ("given", "audience"),
    [({}, "https://id.test"), ({"issuer": None, "endpoint": "https://id.test/token"}, "https://id.test/token")],
)
async def test_a_signature_is_good_for_one_server_and_a_minute(
    autojump_clock: Clock, algorithm: str, given: dict[str, Any], audience: str
) -> None:
    """RFC 7523, 3."""
    server = TokenIssuer()
    key = KEYS[algorithm]
    assert isinstance(await fetch(server, KeyProof("gate", signing(pem(key))), **given), Token)
    form = server.asked[0]
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(form["client_assertion"], public, algorithms=[algorithm], audience=audience, options=options)
    assert claims == {"iss": "gate", "sub": "gate", "aud": audience, "iat": int(NOW), "exp": int(NOW) + 60, "jti": "07" * 16}
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "authorization" not in form


@pytest.mark.parametrize(
    "content",
    [b"", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", pem(x25519.X25519PrivateKey.generate()),
     pem(ec.generate_private_key(ec.SECP256K1())), pem(rsa.generate_private_key(65537, 1024))],
)  # fmt: skip
async def test_a_file_without_a_key_that_can_sign_is_told_of(autojump_clock: Clock, content: bytes) -> None:
    server = TokenIssuer()
    why = await fetch(server, KeyProof("gate", signing(content)))
    assert isinstance(why, Why)
    assert "'/k.pem' cannot be used" in why.operator
    assert "/k.pem" not in why.public
    assert server.asked == []


async def test_a_refusal_is_told_by_its_name_and_nothing_of_its_words_is(autojump_clock: Clock) -> None:
    server = TokenIssuer(refusal=(400, {"error": "invalid_client", "error_description": "secret s3cret is wrong"}))
    why = await fetch(server, SecretProof("a", "s3cret"))
    assert isinstance(why, Why)
    assert "HTTP 400, invalid_client" in why.operator
    assert "s3cret" not in str(why)


@pytest.mark.parametrize("error", ["s3cret", "Invalid Client", "a" * 41, 7, None])
async def test_only_what_can_be_the_name_of_an_error_is_told(autojump_clock: Clock, error: object) -> None:
    why = await fetch(TokenIssuer(refusal=(400, {"error": error})), SecretProof("a", "s3cret"))
    assert isinstance(why, Why)
    assert why.operator.endswith("HTTP 400")


@pytest.mark.parametrize(
    ("members", "token"),
    [
        ({"access_token": "t", "token_type": "Bearer", "expires_in": 5}, Token("t", 5.0)),
        ({"access_token": "t", "token_type": "bearer"}, Token("t")),
        ({"access_token": "t", "token_type": "bearer", "expires_in": 0}, Token("t")),
        ({"access_token": "t", "token_type": "bearer", "expires_in": "5"}, Token("t")),
        ({"access_token": "t", "token_type": "bearer", "expires_in": True}, Token("t")),
        ({"access_token": "t", "token_type": "DPoP"}, None),
        ({"access_token": "t"}, None),
        ({"access_token": "", "token_type": "bearer"}, None),
        ({"access_token": 1, "token_type": "bearer"}, None),
        ({}, None),
    ],
)
def test_an_answer_holds_a_token_or_none(members: dict[str, object], token: Token | None) -> None:
    found = token_in(members)
    assert found == token if token is not None else isinstance(found, Why)
