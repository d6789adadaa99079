"""What a backend logs and nobody can say about whose call: the gateway's own log has it, and no caller.

A backend goes on with work whose call was answered, cancelled or cut. The next caller, alone with it, is a stranger to that.
"""

from __future__ import annotations

import logging

from ..protocol.messages import Params, read_text
from ..telling.loggers import get_logger
from .diagnosis import printable

__all__ = ["overheard"]

log = get_logger("sluicegate.backend.message")

MOST_LOOKED_AT = 2048
"""Bytes of what it says; fewer are shown."""
_QUIET = frozenset({"debug", "info", "notice"})
"""Levels of MCP (RFC 5424) that only somebody who looks for them wants to see."""


def overheard(backend: str, params: Params) -> None:
    """Tell of the parameters of a ``notifications/message`` that belongs to no live call."""
    level = read_text(params, "level") or ""
    weight = logging.DEBUG if level in _QUIET else logging.INFO
    if not log.isEnabledFor(weight):  # there may be very many
        return
    said = printable(bytes(memoryview(params.get("data", b""))[:MOST_LOOKED_AT]))
    log.log(weight, "backend logs", backend=backend, severity=printable(level.encode())[:20], said=said)
