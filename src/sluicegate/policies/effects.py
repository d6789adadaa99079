"""Which calls may have changed something at a backend: tools that run at once, and tasks that are seen to have ended."""

from __future__ import annotations

import msgspec

from ..protocol.calls import Call, Reply
from ..protocol.errors import INVALID_PARAMS
from ..protocol.messages import Raw

__all__ = ["CHANGING", "ENDING", "TOOL", "may_have_changed"]

TOOL = "tools/call"
ENDING = frozenset({"tasks/get", "tasks/result", "tasks/cancel"})
"""Whose answers show that a task has ended. Which tool it is of is not known there."""
CHANGING = ENDING | {TOOL}
_OVER = frozenset({"completed", "failed", "cancelled"})


class _Task(msgspec.Struct):
    status: str = ""


def may_have_changed(call: Call, reply: Reply | None) -> bool:
    """Whether a backend may have done what it was asked for, or has come to the end of it; None is a call that was cut."""
    if call.method in ENDING:
        return reply is not None and _has_ended(call.method, reply)
    if reply is None:
        return call.trail.sent
    return reply.fault is None or reply.fault.started


def _has_ended(method: str, reply: Reply) -> bool:
    fault = reply.fault
    if fault is not None:  # the task's own, unless there is no such task
        return method == "tasks/result" and fault.raw is not None and fault.code != INVALID_PARAMS
    return method != "tasks/get" or _status(reply.result) in _OVER


def _status(result: Raw) -> str:
    try:
        return msgspec.json.decode(result, type=_Task).status
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
