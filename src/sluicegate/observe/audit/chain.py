"""The chain of an audit: each record holds a hash over itself and the one before, so that nothing can be changed, taken out or put in unseen.

A line is ``{"seq":17,…,"chain":"HEX"}``. The hash is SHA-256 over the chain of the line before, as hex, and everything of this line up to
``,"chain"``; with a key it is HMAC, so that who can write the file cannot write another history either. What is cut off at the end shows only
to who knows the last chain: the log tells it, and where a file begins it names the one before.
"""

from __future__ import annotations

import hashlib
import hmac
import re

import attrs
import msgspec

__all__ = ["BEGINNING", "MOST_TORN", "Chain", "ChainLink", "digest_of", "read_link"]

BEGINNING = "0" * 64
"""In the place of the chain before the first record."""
MOST_TORN = 64
"""Lines in a row that crashes have cut off: each start on a full disk may leave one more."""
_EVENT = re.compile(rb'\{"seq":[0-9]+,"event":"([a-z_]+)"')
_LINE = re.compile(rb'(\{"seq":([0-9]{1,18})[,}].*),"chain":"([0-9a-f]{64})"\}', re.DOTALL)


def digest_of(key: bytes, before: str, body: bytes) -> str:
    """The chain of a record.

    Args:
        key: empty where there is none.
        before: the chain of the record before.
        body: the line up to its own chain.
    """
    return _digest(_begun(key), before, body)


def _begun(key: bytes) -> hashlib._Hash | hmac.HMAC:
    """What is copied for each record: to begin anew costs more than to hash one, with a key three times as much."""
    return hmac.new(key, digestmod="sha256") if key else hashlib.sha256()


def _digest(begun: hashlib._Hash | hmac.HMAC, before: str, body: bytes) -> str:
    ours = begun.copy()
    ours.update(before.encode() + body)
    return ours.hexdigest()


@attrs.define(eq=False, repr=False)
class Chain:
    """Where a chain has got to."""

    key: bytes = b""
    last: str = BEGINNING
    """The chain of the last record."""
    seq: int = 0
    """Its number; records count from 1."""
    _begun: hashlib._Hash | hmac.HMAC = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begun = _begun(self.key)

    def seal(self, record: bytes) -> bytes:
        """The line of a record, which is a JSON object with at least one member, without its line break."""
        self.seq += 1
        body = b'{"seq":%d,%b' % (self.seq, record[1:-1])
        self.last = last = _digest(self._begun, self.last, body)
        return b'%b,"chain":"%b"}' % (body, last.encode())


class ChainLink(msgspec.Struct, frozen=True):
    """A line that was read back."""

    seq: int
    body: bytes
    chain: str

    def follows(self, before: str, key: bytes) -> bool:
        """Whether it is what was chained behind that one."""
        return hmac.compare_digest(digest_of(key, before, self.body), self.chain)

    @property
    def event(self) -> str:
        """What it tells of, which each record says first: what a caller wrote comes behind it, and may say anything."""
        found = _EVENT.match(self.body)
        return "" if found is None else found[1].decode()

    @property
    def members(self) -> dict[str, object]:
        """What it says; raises `msgspec.DecodeError` or `RecursionError` where it is no JSON, or one that holds what a caller wrote."""
        return msgspec.json.decode(self.body + b"}", type=dict[str, object])


def read_link(line: bytes) -> ChainLink | None:
    """A line without its line break; None for what is none."""
    found = _LINE.fullmatch(line)
    return None if found is None else ChainLink(int(found[2]), found[1], found[3].decode())
