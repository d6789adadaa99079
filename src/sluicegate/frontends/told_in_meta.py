"""What callers can ask to be told of their calls, in ``_meta`` of the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from ..protocol.calls import Call, Trail
from ..protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode
from ..protocol.spelled import may_name

__all__ = ["CACHE", "ROUTE", "with_what_is_asked"]

ROUTE = "sluicegate/route"
"""The member of ``_meta`` with which a caller asks who answered, and under which it is told."""
CACHE = "sluicegate/cache"
"""The same for an answer that was kept: how old it is, and how old it may become, in seconds."""


def with_what_is_asked(call: Call, began: float | None, result: Raw) -> Raw:
    """The result with what its caller asks to be told of the call; it can ask where there is a time when it began."""
    if began is None or not (wanted := _wanted(call.params)):
        return result
    told = {word: _TELLERS[word](call.trail, trio.current_time() - began) for word in wanted}
    return _with_meta(result, {word: value for word, value in told.items() if value is not None})


def _wanted(params: Params) -> tuple[str, ...]:
    """What the caller asks to be told."""
    raw = params.get("_meta")
    data = b"" if raw is None else bytes(raw)
    if not may_name(data, b'"sluicegate/'):
        return ()
    meta = decode_object(Raw(data))
    return () if isinstance(meta, Malformed) else tuple(word for word in _TELLERS if bytes(meta.get(word, b"")) == b"true")


def _route(trail: Trail, seconds: float) -> Mapping[str, object] | None:
    return {"backend": trail.answerer, "attempts": len(trail.hops), "ms": round(seconds * 1000, 3)}


def _cache(trail: Trail, seconds: float) -> Mapping[str, object] | None:
    del seconds
    kept = trail.kept
    return None if kept is None else {"age": round(kept.age, 3), "ttl": round(kept.ttl, 3)}


_TELLERS: Mapping[str, Callable[[Trail, float], Mapping[str, object] | None]] = {ROUTE: _route, CACHE: _cache}
"""By the word with which it is asked for, what is told of a call's way and of the time that it took; None is nothing."""


def _with_meta(result: Raw, told: Mapping[str, object]) -> Raw:
    """The result with this in its ``_meta``."""
    members = decode_object(result)
    if isinstance(members, Malformed) or not told:
        return result
    meta = decode_object(members.get("_meta", EMPTY))
    if isinstance(meta, Malformed):
        return result
    return Raw(encode(members | {"_meta": Raw(encode(meta | {word: Raw(encode(value)) for word, value in told.items()}))}))
