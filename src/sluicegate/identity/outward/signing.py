"""Signing what we say of ourselves, with a private key in a PEM file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ...protocol.why import Why

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["KeyFile", "algorithm_of", "private_key"]

LIFE_SECONDS = 60
_ID_BYTES = 16
_OF_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@attrs.frozen(eq=False, repr=False)
class KeyFile:
    """A key that is read each time, so that a new one in its place is used (implements `Signer`)."""

    path: str
    read: Callable[[Path], Awaitable[bytes]]
    """The bytes of a file; raises `OSError`."""
    wall: Callable[[], float]
    secret: Callable[[int], bytes]

    async def sign(self, claims: Mapping[str, object]) -> str | Why:
        """A JWT that is good for a minute, once."""
        import jwt

        try:
            key = private_key(await self.read(Path(self.path)))
        except (OSError, ValueError) as error:
            return Why("its key cannot be used", f"'{self.path}' cannot be used: {error}")
        now = int(self.wall())
        whole = {**claims, "iat": now, "exp": now + LIFE_SECONDS, "jti": self.secret(_ID_BYTES).hex()}
        return jwt.encode(whole, key, algorithm=algorithm_of(key))  # type: ignore[arg-type]  # `private_key` lets through what it takes


def private_key(pem: bytes) -> PrivateKeyTypes:
    """The key in a PEM file, without a password; raises `ValueError` for what is none, or none that can sign a JWT."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it holds no private key in PEM, without a password") from None
    if not algorithm_of(key):
        raise ValueError("its key is none that can sign here: make an EC key (prime256v1), an Ed25519 key or an RSA key of 2048 bits")
    return key


def algorithm_of(key: PrivateKeyTypes) -> str:
    """The algorithm of JWS that goes with a key; empty where there is none."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case ec.EllipticCurvePrivateKey():
            return _OF_CURVES.get(key.curve.name, "")
        case ed25519.Ed25519PrivateKey():
            return "EdDSA"
        case rsa.RSAPrivateKey():
            return "RS256" if key.key_size >= 2048 else ""
        case _:
            return ""
