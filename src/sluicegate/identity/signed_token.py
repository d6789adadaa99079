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
    json: bytes
    """The claims as they were written."""
    signed: bytes
    """What the signature is of."""
    signature: bytes


class _Head(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: bool = True


_read_head = msgspec.json.Decoder(_Head).decode
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
        said, claims = _read_head(head), _read_claims(json)
    except (binascii.Error, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _NO_TOKEN
    if said.crit is not msgspec.UNSET or not said.b64:
        return Denied("invalid token: its head demands what is not known here (crit)")
    if said.kid is not None and len(said.kid) > _LONGEST_KEY_ID:
        return Denied("invalid token: the name of its key is too long")
    if len(claims) > MOST_CLAIMS:
        return Denied(f"invalid token: it has more than {MOST_CLAIMS} claims")
    kind = (said.typ or "").lower().removeprefix("application/")
    return SignedToken(said.alg, said.kid, kind, claims, json, token[: parts.end(2)], signature)


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
