"""What must hold of ``[auth]``, of whichever kind it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey

from sluicegate.config.load import ConfigError, load, parse
from sluicegate.config.model import BearerAuth, IssuerSettings, JwtAuth

HEAD = "[proxy]\nname = 'p'\n[[backends]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\n"
JWT = "[auth]\ntype = 'jwt'\nissuer = 'https://id.example'\naudience = 'https://gate.example/mcp'\n"
RSA_1024 = rsa.generate_private_key(65537, 1024).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
KEYS = "jwks_uri = 'https://id.example/jwks'\n"


def test_the_type_says_of_which_kind_the_table_is() -> None:
    assert parse(f"{HEAD}[auth]\ntokens = ['0123456789abcdef0123']\n").config.auth == BearerAuth(("0123456789abcdef0123",))
    assert parse(HEAD + JWT + KEYS).config.auth == JwtAuth(
        issuer="https://id.example", audience="https://gate.example/mcp", jwks_uri="https://id.example/jwks"
    )


def test_there_may_be_several_issuers_each_with_keys_of_its_own(tmp_path: Path) -> None:
    """The files stand relative to the configuration."""
    other = "[[auth.issuers]]\nissuer = 'other'\naudience = 'gate'\nkey_files = ['k.pem']\n"
    (tmp_path / "gate.toml").write_text(HEAD + JWT + KEYS + other)
    (tmp_path / "k.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=False))

    auth = load(tmp_path / "gate.toml").config.auth

    assert isinstance(auth, JwtAuth)
    assert auth.issuers == (IssuerSettings(issuer="other", audience="gate", key_files=(str(tmp_path / "k.pem"),)),)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "holds no keys: No such file"),
        (b"nothing", "holds no keys: it is neither JSON nor PEM"),
        (b"[]", "holds no keys: it is no JSON object"),
        (b'{"keys": []}', "holds no keys: it has no keys for signatures"),
        (b'{"keys": {}}', "holds no keys: it has no list 'keys'"),
        (ECKey.generate_key("P-256").as_pem(private=True), "holds no keys: it is a private key, with which anybody could sign"),
        (json.dumps(ECKey.generate_key("P-256").as_dict(private=True)).encode(), "it is a private key"),
        (b'{"kty": "oct", "k": "7ZSb1OdDptIengYcOde38zIaUTGKhsaUKNgtzTajRtI"}', "a shared secret has no place among public keys"),
        (json.dumps({"kty": "EC", "crv": "P-256", "x": "AA"}).encode(), "it cannot be read: "),
        (ECKey.generate_key("secp256k1").as_pem(private=False), "it is of a kind that is not taken here"),
        (ECKey.generate_key("P-521").as_pem(private=False), "none of them is for an algorithm that is taken (RS256"),
        (RSA_1024, "it has 1024 bits, and must have 2048 to 8192"),
        (b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "holds no keys: "),
        (b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "it is no public key of RSA"),
    ],
)
def test_files_of_keys_are_tried(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "k"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        parse(f"{HEAD}{JWT}key_files = ['{file}']\n", name="f")

    assert "f:11: auth.key_files[0]: " in str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize("count", [4, 5])
def test_of_keys_without_names_there_are_no_more_than_a_token_is_compared_with(count: int, tmp_path: Path) -> None:
    names = [str(tmp_path / f"{number}.pem") for number in range(count)]
    for name in names:
        Path(name).write_bytes(ECKey.generate_key("P-256").as_pem(private=False))
    text = f"{HEAD}{JWT}key_files = {names}\n"
    if count == 4:
        assert parse(text, name="f").config.auth is not None
        return

    with pytest.raises(ConfigError) as caught:
        parse(text, name="f")

    assert "f:11: auth.key_files: 5 keys without a name are for ES256, and a token is compared with 4 at most" in str(caught.value)


def test_a_certificate_has_a_key_too(tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(tmp_path / "k")

    assert parse(f"{HEAD}{JWT}key_files = ['{tmp_path / 'k'}']\n").config.auth is not None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[auth]\ntype = 'jwt'\naudience = 'a'\n" + KEYS, "f:7: auth.issuer: the key 'issuer' is missing; add issuer = \"https://…\""),
        ("[auth]\ntype = 'jwt'\nissuer = 'i'\n" + KEYS, "f:7: auth.audience: the key 'audience' is missing; add audience ="),
        (JWT.replace("https://id.example", "id"), "f:7: auth.jwks_uri: no keys are named"),
        (JWT + KEYS + "key_files = ['k.pem']\n", "f:11: auth.jwks_uri: keys are named twice"),
        (JWT + "jwks_uri = 'http://id.example/jwks'\n", "f:11: auth.jwks_uri: keys must come over TLS"),
        (JWT + "jwks_uri = 'https://[/jwks'\n", "f:11: auth.jwks_uri: keys must come over TLS"),
        (JWT + KEYS + "algorithms = []\n", "f:12: auth.algorithms: without algorithms no token is taken"),
        (JWT + KEYS + "algorithms = ['HS256']\n", "f:12: auth.algorithms[0]: 'HS256' has a shared secret; write some of RS256, "),
        (JWT + KEYS + "algorithms = ['none']\n", "f:12: auth.algorithms[0]: 'none' is no algorithm that is taken"),
        (JWT + KEYS + "token_types = []\n", "f:12: auth.token_types: without types no token is taken"),
        (JWT + KEYS + "leeway_seconds = 601\n", "f:12: auth.leeway_seconds: auth.leeway_seconds must be 0-600"),
        (JWT + KEYS + "leeway_seconds = -1\n", "f:12: auth.leeway_seconds: auth.leeway_seconds must be 0-600"),
        (JWT.replace("https://id.example", "") + KEYS, "f:9: auth.issuer: an issuer is a text without blanks"),
        (JWT.replace("https://gate.example/mcp", "") + KEYS, "f:10: auth.audience: the audience must not be empty"),
        (
            JWT + KEYS + "[[auth.issuers]]\nissuer = 'https://id.example'\naudience = 'a'\nkey_files = ['k']\n",
            "f:13: auth.issuers[0].issuer: 'https://id.example' stands in [auth], too; keep one of the two",
        ),
        (JWT + KEYS + "jwks_url = 'x'\n", "f:12: auth.jwks_url: unknown key 'jwks_url'; did you mean 'jwks_uri'?"),
        (JWT + KEYS + "tokens = ['x']\n", "f:12: auth.tokens: unknown key 'tokens'"),
        ("[auth]\ntype = 'mtls'\n", "f:1: proxy.listen.tls.client_ca: no client is asked for a certificate"),
        ("[auth]\ntype = 'mtls'\nnames = []\n", "f:9: auth.names: without names nobody is known"),
        ("[auth]\ntype = 'mtls'\nnames = ['CN']\n", "f:9: auth.names[0]: 'CN' is no kind of name in a certificate; write some of URI, DNS"),
        ("auth = 3\n" + HEAD, "f:1: auth: a number stands where a table is expected"),
        ("[auth]\ntype = 3\n", 'f:8: auth.type: this is none of the values that are known; write "bearer" or "jwt" or "oauth" or "mtls"'),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_write(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text if HEAD in text else HEAD + text, name="f")

    assert any(str(problem).startswith(error) for problem in caught.value.problems), caught.value


def test_keys_of_loopback_may_come_in_clear_text() -> None:
    assert parse(HEAD + JWT + "jwks_uri = 'http://127.0.0.1:9/jwks'\n").config.auth is not None
