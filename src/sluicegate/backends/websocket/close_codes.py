"""How a WebSocket ended, in words (RFC 6455, 7.4)."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.why import Why
from ..diagnosis import printable

__all__ = ["how_it_closed"]

_MEANT: Mapping[int, str] = {
    1000: "it closed the connection",
    1001: "it goes away",
    1002: "it says that we broke the rules of WebSockets",
    1003: "it does not take what we sent",
    1005: "it closed the connection",
    1007: "it says that a message of ours was no text",
    1008: "it does not let us go on",
    1009: "a message was too large for it",
    1011: "it failed",
    1012: "it starts again",
    1013: "it has too much to do",
    1014: "what stands behind it gave no answer",
}


def how_it_closed(code: int, reason: str | None) -> Why:
    """The code in our words; what the backend itself says beside it is for the operator alone."""
    meant = f"{_MEANT.get(code, 'it closed the connection')} (WebSocket close code {code})"
    return Why(meant, f"{meant}: {printable(reason.encode())}" if reason else meant)
