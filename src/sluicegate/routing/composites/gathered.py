"""The one answer that is made of many: their contents in the order of the configuration, and what is whose."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...protocol.calls import Reply
from ...protocol.members import MOST_ENTRIES, decode_array
from ...protocol.messages import Malformed, Params, Raw, decode_object, encode, read_text
from .composite_part import CompositePart

__all__ = ["ATTRIBUTION", "gathered"]

ATTRIBUTION = "sluicegate/composite"
"""The member of ``_meta`` that tells what is whose: for each tool its outcome, the number of its blocks, its seconds, and its own ``_meta``."""
_EMPTY_LIST = Raw(b"[]")


class _Said(msgspec.Struct, frozen=True):
    """What one tool contributes."""

    blocks: Sequence[Raw]
    outcome: str
    structured: Raw | None = None
    meta: Raw | None = None


def gathered(parts: Sequence[CompositePart], *, failed: bool) -> Reply:
    """The answer of the whole."""
    said = [(part, _said(part)) for part in parts if part.reply is not None]
    content = [block for _, one in said for block in one.blocks]
    structured = {part.call.target: one.structured for part, one in said if one.structured is not None}
    attribution = [
        {"tool": part.call.target, "outcome": one.outcome, "blocks": len(one.blocks), "seconds": round(part.seconds, 3)}
        | ({} if one.meta is None else {"_meta": one.meta})
        for part, one in said
    ]
    result: dict[str, object] = {"content": content, "_meta": {ATTRIBUTION: attribution}}
    if structured:
        result["structuredContent"] = structured
    return Reply(Raw(encode(result | {"isError": True} if failed else result)))


def _said(part: CompositePart) -> _Said:
    reply = part.reply
    assert reply is not None
    if reply.fault is not None:
        return _Said([_text(f"Error: {part.call.target}: {reply.fault.message}")], reply.outcome("tools/call"))
    members = decode_object(reply.result)
    if isinstance(members, Malformed):
        return _Said([_text(f"Error: {part.call.target}: {members.message}")], "bad_answer")
    if read_text(members, "resultType") == "input_required":
        return _Said([_text(f"Error: {part.call.target}: it asks for something, and a part of a composite tool cannot")], "cannot_ask")
    blocks = _blocks(members)
    if blocks is None:
        return _Said([_text(f"Error: {part.call.target}: its content is no list, or has over {MOST_ENTRIES} entries")], "bad_answer")
    return _Said(blocks, reply.outcome("tools/call"), members.get("structuredContent"), members.get("_meta"))


def _blocks(members: Params) -> list[Raw] | None:
    try:
        blocks = decode_array(members.get("content", _EMPTY_LIST))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if len(blocks) > MOST_ENTRIES else blocks


def _text(words: str) -> Raw:
    return Raw(encode({"type": "text", "text": words}))
