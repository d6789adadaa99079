"""One thing that can go wrong, as callers and operators read of it."""

from __future__ import annotations

import msgspec

from .cause import Cause

__all__ = ["Code"]


class Code(msgspec.Struct, frozen=True):
    """One thing that can go wrong, and its page."""

    number: str
    reason: str
    """The word in ``data.reason``."""
    cause: Cause
    rpc: int
    """The JSON-RPC code that it has unless whoever makes the fault says otherwise."""
    title: str
    meaning: str
    caller: str
    """What whoever makes the call can do."""
    operator: str
    """What whoever runs the gateway can do."""
    hint: str
    """Sent as ``data.hint`` where the fault has none of its own."""
    started: bool | None = False
    """Whether the backend may have begun; None where it depends."""
