"""What every session makes of messages: replies, and whose an answer was to be."""

from __future__ import annotations

import re

from ..channel.lines import number_at_ends
from ..protocol import faults
from ..protocol.calls import Reply
from ..protocol.members import is_null
from ..protocol.messages import (
    EMPTY,
    Malformed,
    Raw,
    Response,
    decode_object,
    encode,
    read_id,
)
from ..protocol.why import Why

__all__ = ["answer_key", "reply_from"]

_BRACE = ord("{")
_NULL_META = re.compile(rb'"_meta"\s*+:\s*+null')
"""Looked for in every result, in a long one at both ends alone: 0.1 µs for 100 bytes, 0.5 at most."""
_LONG, _END = 4096, 1024


def answer_key(data: bytes | Raw) -> int | str | None:
    """Whose answer a message was meant to be that cannot be read as one; None if it is no answer, or nobody can tell."""
    whole = bytes(data)
    members = decode_object(Raw(whole))  # a raw value is not checked to be UTF-8, and what matters here is not text
    if isinstance(members, Malformed):
        return number_at_ends(whole)
    if "method" in members or "id" not in members:
        return None
    return read_id(bytes(members["id"]))


def reply_from(response: Response, backend: str) -> Reply:
    """A backend's response as the reply of a call; a result that is no object is none (every result of MCP is one)."""
    if response.error is not None:
        return Reply.failed(faults.backend_error(backend, response.error))
    assert response.result is not None
    if memoryview(response.result)[0] != _BRACE:
        return Reply.failed(faults.unreadable(backend, Why("its result is no object")))
    return Reply(_without_null_meta(response.result) if _may_have_null_meta(response.result) else response.result)


def _may_have_null_meta(result: Raw) -> bool:
    """Whether it is worth reading. Whoever writes members in order has metadata first or last, and a mebibyte takes 0.3 ms to look through."""
    view = memoryview(result)
    parts = (view,) if len(view) <= _LONG else (view[:_END], view[-_END:])
    return any(_NULL_META.search(part) is not None for part in parts)


def _without_null_meta(result: Raw) -> Raw:
    """Metadata that is null says nothing, and there are clients that refuse the answer for it (P-25). Deeper down it may be anybody's."""
    members = decode_object(result)
    if isinstance(members, Malformed) or not is_null(members.get("_meta", EMPTY)):
        return result
    return Raw(encode({key: raw for key, raw in members.items() if key != "_meta"}))
