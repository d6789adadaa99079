"""How a call ended: what a test expects, taken out of a reply."""

from __future__ import annotations

from sluicegate.protocol.calls import Reply
from sluicegate.protocol.fault import Fault

__all__ = ["failed", "text_of"]


def failed(reply: Reply) -> Fault:
    """Its fault, which it must have."""
    assert reply.fault is not None
    return reply.fault


def text_of(reply: Reply) -> str:
    """Its result, which it must have."""
    assert reply.fault is None, reply.fault
    return reply.text
