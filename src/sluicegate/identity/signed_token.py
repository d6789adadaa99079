"""What a signed token says of itself (RFC 7515, RFC 7519), before anybody has looked at its signature: read within bounds, and believed by nobody yet."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from .verifying import Denied

__all__ = ["LONGEST_HEAD", "MOST_CLAIMS", "SignedToken", "read_signed"]

LONGEST_HEAD = 4096
"""Bytes as JSON; some issuers put a chain of certificates there, which nobody looks at."""
MOST_CLAIMS = 128
_LONGEST_CLAIM = 4096
"""Bytes, of one that is looked at before the signature is; a longer one is none."""
_LONGEST_KEY_ID = 512
_PARTS = re.compile(rb"([A-Za-z0-9_-]{2,8192})\.([A-Za-z0-9_-]{2,65536})\.([A-Za-z0-9_-]{2,4096})")
_NO_TOKEN = Denied("invalid token: it is no signed JWT")


class SignedToken(msgspec.Struct, frozen=True, eq=False):
    """The parts of one."""

    algorithm: str
    key_id: str | None
    type: str
    """In lower case and without ``application/``; empty where it says nothing of it."""
    claims: Mapping[str, Any]
    """Those by which it is judged before its signature is; whoever made it up has not made us read more."""
    json: bytes
    """All of them, as they were written."""
    signed: bytes
    """What the signature is of."""
    signature: bytes

    def whole(self) -> Mapping[str, Any] | Denied:
        """All that it says. To read it may take a millisecond, so the signature comes first."""
        try:
            found = _read_claims(self.json)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return _NO_TOKEN
        return found if len(found) <= MOST_CLAIMS else Denied(f"invalid token: it has more than {MOST_CLAIMS} claims")


class _Said(msgspec.Struct, frozen=True):
    """Of a claim nothing but how it is written."""

    iss: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    aud: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    sub: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    client_id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    exp: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    nbf: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    iat: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    cnf: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def read(self) -> dict[str, Any]:
        """What they mean; raises `msgspec.DecodeError`."""
        found = {}
        for name in self.__struct_fields__:
            raw = getattr(self, name)
            if raw is not msgspec.UNSET:
                found[name] = msgspec.json.decode(raw) if len(bytes(raw)) <= _LONGEST_CLAIM else None
        return found


class _Head(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: bool = True


_read_head = msgspec.json.Decoder(_Head).decode
_read_said = msgspec.json.Decoder(_Said).decode
_read_claims = msgspec.json.Decoder(dict[str, Any]).decode


def read_signed(token: bytes) -> SignedToken | Denied:
    """Take a token apart, or say why it is none. What it must have understood (``crit``) is nothing that we do understand."""
    parts = _PARTS.fullmatch(token)
    if parts is None:
        return _NO_TOKEN
    try:
        head, json, signature = (_decoded(part) for part in parts.groups())
        if len(head) > LONGEST_HEAD:
            return Denied("invalid token: its head is too long")
        said, claims = _read_head(head), _read_said(json).read()
    except (binascii.Error, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _NO_TOKEN
    if said.crit is not msgspec.UNSET or not said.b64:
        return Denied("invalid token: its head demands what is not known here (crit)")
    if said.kid is not None and len(said.kid) > _LONGEST_KEY_ID:
        return Denied("invalid token: the name of its key is too long")
    kind = (said.typ or "").lower().removeprefix("application/")
    return SignedToken(said.alg, said.kid, kind, claims, json, token[: parts.end(2)], signature)


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
