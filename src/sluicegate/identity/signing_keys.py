"""Public keys by which signatures are compared, and what of a key set can be used (RFC 7517): one bad key costs its own tokens and no others.

joserfc does the arithmetic: it knows ``EdDSA`` and ``Ed25519`` (RFC 9864), where PyJWT knows the former alone, it is typed, and a key and
an algorithm are objects that can be used by themselves, so that what a token must say is for us to decide.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, cast

import attrs
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from .signed_token import SignedToken

__all__ = ["MOST_KEYS", "MOST_TRIED", "KeySet", "SigningKey", "UnreadableKeys", "read_key_file", "read_key_set"]

MOST_KEYS = 128
"""Of one issuer."""
MOST_TRIED = 4
"""Keys that one token may be compared with, where several have its name, or none is named."""
_SMALLEST_RSA, _LARGEST_RSA = 2048, 8192
"""Bits; a smaller one can be forged (RFC 7518, 3.3), and a larger one takes milliseconds."""
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class UnreadableKeys(ValueError):
    """A file holds no keys; the text says what is wrong."""


@attrs.frozen(eq=False, repr=False)
class SigningKey:
    """One public key of an issuer."""

    id: str | None
    """None where it has no name; it may be the key of any token then."""
    algorithms: frozenset[str]
    """For which it can be used: those of its kind, or the one that it is said to be for."""
    key: RSAKey | ECKey | OKPKey

    def has_signed(self, token: SignedToken) -> bool:
        """Whether the signature is its own; takes 0.03 to 0.35 ms."""
        try:
            return JWSRegistry.algorithms[token.algorithm].verify(token.signed, token.signature, self.key)
        except (JoseError, ValueError, OverflowError):
            return False


@attrs.frozen(eq=False, repr=False)
class KeySet:
    """All keys of an issuer at one time."""

    keys: tuple[SigningKey, ...]
    remarks: tuple[str, ...] = ()
    """What was left out, and why."""

    def candidates(self, token: SignedToken) -> tuple[SigningKey, ...]:
        """Keys that may have signed it: those of its name, or without one; of a token that names none, all that fit."""
        named = token.key_id
        fitting = (key for key in self.keys if token.algorithm in key.algorithms and (named is None or key.id is None or key.id == named))
        return tuple(islice(fitting, MOST_TRIED))

    def replaces(self, other: KeySet) -> bool:
        """Whether a key of the other is not in this one any more."""
        return not {_print(key) for key in other.keys} <= {_print(key) for key in self.keys}


def read_key_set(members: Mapping[str, object]) -> KeySet:
    """What can be used of a JSON Web Key Set."""
    entries = members.get("keys")
    if not isinstance(entries, list):
        return KeySet((), ("it has no list 'keys'",))
    keys, remarks = [], []
    for index, entry in enumerate(entries[:MOST_KEYS]):
        found = _key_of(entry)
        if isinstance(found, SigningKey):
            keys.append(found)
        elif found:
            remarks.append(f"keys[{index}]: {found}")
    if len(entries) > MOST_KEYS:
        remarks.append(f"it has more than {MOST_KEYS} keys, and the others are not looked at")
    return KeySet(tuple(keys), tuple(remarks))


def read_key_file(content: bytes) -> KeySet:
    """What stands in a file: a JSON Web Key Set, one such key, or a public key or certificate in PEM. Raises `UnreadableKeys`."""
    text = content.strip()
    if text.startswith(b"-----BEGIN"):
        found: SigningKey | str = _from_pem(text)
        result = KeySet((found,)) if isinstance(found, SigningKey) else KeySet((), (found,))
    else:
        try:
            members = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise UnreadableKeys("it is neither JSON nor PEM") from None
        if not isinstance(members, dict):
            raise UnreadableKeys("it is no JSON object")
        result = read_key_set(members if "keys" in members else {"keys": [members]})
    if not result.keys:
        raise UnreadableKeys("; ".join(result.remarks[:3]) or "it has no keys for signatures")
    return result


def _from_pem(text: bytes) -> SigningKey | str:
    if b"PRIVATE KEY" in text:
        return "it is a private key, with which anybody could sign"
    if text.startswith(_PEM_CERTIFICATE):
        try:
            public = x509.load_pem_x509_certificate(text).public_key()
        except ValueError:
            return "it is no certificate"
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            with warnings.catch_warnings(action="ignore"):  # of keys that are too small, which are left out below
                return _fitting(kind.import_key(text), {})
        except (JoseError, TypeError, ValueError):
            continue
    return "it is no public key of RSA, P-256, P-384, P-521 or Ed25519"


def _key_of(entry: object) -> SigningKey | str:
    """One key, or why it is left out; an empty text where it is for something else and nothing is wrong with it."""
    if not isinstance(entry, dict):
        return "this is no key"
    operations = entry.get("key_ops")
    if entry.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return ""
    if entry.get("kty") == "oct":
        return "a shared secret has no place among public keys"
    if "d" in entry:
        return "it is a private key, with which anybody could sign"
    if not all(isinstance(entry.get(name, ""), str) for name in ("kid", "alg")):
        return "its kid or alg is no text"
    parameters = {name: entry[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in entry}
    try:
        with warnings.catch_warnings(action="ignore"):
            key = import_key(cast("Any", parameters))
    except Exception as error:  # noqa: BLE001  whatever two libraries make of what an issuer wrote there, it costs this key and no others
        return f"it cannot be read: {type(error).__name__}"
    return _fitting(key, entry)


def _fitting(key: object, entry: Mapping[str, object]) -> SigningKey | str:
    algorithms: Iterable[str]
    match key:
        case RSAKey():
            bits = key.raw_value.key_size
            if not _SMALLEST_RSA <= bits <= _LARGEST_RSA:
                return f"it has {bits} bits, and must have {_SMALLEST_RSA} to {_LARGEST_RSA}"
            algorithms = _RSA
        case ECKey() if key.curve_name in _CURVES:
            algorithms = (_CURVES[key.curve_name],)
        case OKPKey() if key.curve_name == "Ed25519":
            algorithms = ("EdDSA", "Ed25519")
        case _:
            return "it is of a kind that is not taken here"
    said = entry.get("alg")
    if said is not None:
        algorithms = {one for one in algorithms if one == said or {one, said} == {"EdDSA", "Ed25519"}}
        if not algorithms:
            return "it is said to be for an algorithm that is not one of its kind"
    kid = entry.get("kid")
    return SigningKey(kid if isinstance(kid, str) else None, frozenset(algorithms), key)


def _print(key: SigningKey) -> tuple[str | None, str]:
    """By which the same key is known again."""
    return key.id, key.key.thumbprint()
