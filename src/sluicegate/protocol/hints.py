"""What a result says about itself to who might keep it (P-29, P-84)."""

from __future__ import annotations

import math

import msgspec

from .messages import Malformed, Raw, decode_object, encode
from .spelled import ESCAPED

__all__ = ["NO_HINTS", "Hints", "read_hints", "with_less_time"]

_TTL = "ttlMs"


class Hints(msgspec.Struct, frozen=True):
    """For how long it holds, and for whom."""

    seconds: float = math.inf
    """As long as anybody likes, where nothing is said; 0 for what is no answer yet: a question, a task, or what cannot be read."""
    is_private: bool = False
    """Whether it is for who has asked alone."""
    is_answer: bool = True


NO_HINTS = Hints()
_NOT_KEPT = Hints(0.0, is_private=True, is_answer=False)


class _Members(msgspec.Struct):
    kind: str = msgspec.field(default="complete", name="resultType")
    ttl: float | None = msgspec.field(default=None, name=_TTL)
    scope: str = msgspec.field(default="public", name="cacheScope")
    task: object = None


def read_hints(result: Raw) -> Hints:
    """What a result says; most say nothing."""
    data = bytes(result)
    if not (b'"resultType"' in data or b'"ttlMs"' in data or b'"cacheScope"' in data or b'"task"' in data or ESCAPED in data):
        return NO_HINTS
    try:
        said = msgspec.json.decode(data, type=_Members)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOT_KEPT
    if said.kind != "complete" or said.task is not None:
        return _NOT_KEPT
    return Hints(math.inf if said.ttl is None else max(0.0, said.ttl / 1000), is_private=said.scope != "public")


def with_less_time(result: Raw, seconds: float) -> Raw:
    """The result as it is after so many seconds: what it says of its own time is less by these."""
    members = decode_object(result)
    if isinstance(members, Malformed) or _TTL not in members:
        return result
    left = max(0, int(msgspec.json.decode(members[_TTL], type=float) - seconds * 1000))
    return Raw(encode(members | {_TTL: Raw(encode(left))}))
