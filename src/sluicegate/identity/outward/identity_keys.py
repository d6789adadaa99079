"""The keys by which backends know what this gateway says of callers; their public halves are published."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from .signing import algorithm_of, private_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["IdentityKey", "IdentityKeys", "new_key"]


class IdentityKey(msgspec.Struct, frozen=True):
    """A private key that signs, and how others know it."""

    key: PrivateKeyTypes
    algorithm: str
    id: str
    """The thumbprint of its public half (RFC 7638)."""
    public: Mapping[str, str]
    """That half, as a JSON Web Key."""

    @classmethod
    def of(cls, pem: bytes) -> IdentityKey:
        """The key in a file; raises `ValueError`."""
        key = private_key(pem)
        public = _public(key)
        thumbprint = _encoded(hashlib.sha256(msgspec.json.encode(dict(sorted(public.items())))).digest())
        algorithm = algorithm_of(key)
        return cls(key, algorithm, thumbprint, public | {"kid": thumbprint, "alg": algorithm, "use": "sig"})

    def sign(self, claims: Mapping[str, object]) -> str:
        """A JWT that says so."""
        import jwt

        return jwt.encode(dict(claims), self.key, self.algorithm, headers={"kid": self.id})  # type: ignore[arg-type]  # as `private_key` has it


@attrs.define(eq=False, repr=False)
class IdentityKeys:
    """Those of one gateway: one of its own, and those that backends are configured with."""

    own: Callable[[], Awaitable[bytes]]
    """The PEM of its own, which is made where there is none; raises `OSError`."""
    read: Callable[[Path], Awaitable[bytes]]
    """The bytes of a file; raises `OSError`."""
    _known: dict[str, IdentityKey] = attrs.field(factory=dict, init=False)
    """By the path; its own has none."""
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def open(self, path: str | None) -> IdentityKey:
        """A key, read once; raises `OSError` or `ValueError`."""
        async with self._turn:
            name = path or ""
            if name not in self._known:
                self._known[name] = IdentityKey.of(await (self.read(Path(path)) if path else self.own()))
            return self._known[name]

    def published(self) -> bytes:
        """All of them as a JSON Web Key Set (RFC 7517, 5); nothing where none is in use."""
        keys = {key.id: key.public for key in self._known.values()}
        return msgspec.json.encode({"keys": list(keys.values())}) if keys else b""


def new_key() -> bytes:
    """The PEM of a key that nobody has."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())  # what every library for tokens can check
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(key: PrivateKeyTypes) -> dict[str, str]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    match key:
        case ec.EllipticCurvePrivateKey():
            numbers, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
            return {"kty": "EC", "crv": f"P-{key.curve.key_size}", "x": _number(numbers.x, size), "y": _number(numbers.y, size)}
        case ed25519.Ed25519PrivateKey():
            raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {"kty": "OKP", "crv": "Ed25519", "x": _encoded(raw)}
        case rsa.RSAPrivateKey():
            both = key.public_key().public_numbers()
            return {"kty": "RSA", "n": _number(both.n, (both.n.bit_length() + 7) // 8), "e": _number(both.e, 3)}
        case _:
            raise ValueError("its key is none that can sign here")


def _number(value: int, size: int) -> str:
    return _encoded(value.to_bytes(size))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
