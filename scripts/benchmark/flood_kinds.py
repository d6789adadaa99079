"""The kinds of `floods`: what is sent, by whom, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["KINDS", "Kind"]


@attrs.frozen
class Kind:
    """One way to hurt, and what it may cost."""

    sends: str
    """What `hurting_client` sends."""
    backend: str = ""
    """The transport of a backend that hurts, where that is what does it."""
    tool: str = ""
    amount: int = 0
    lines: str = ""
    """More of the healthy backend's configuration."""
    unread: bool = False
    """Whether nobody reads what the gateway logs."""
    mebibytes: float = 16
    """Of memory more than in peace."""
    log: float = 256
    """KiB of log of one attack."""
    ended: float = 8
    """Seconds that the gateway may take to end; a child that does not listen is waited for."""
    answered: float = 5
    """Seconds within which each request of the attack is answered."""

    @property
    def is_sent(self) -> bool:
        """Whether what hurts comes from a client, request for request."""
        return not self.backend


KINDS: Mapping[str, Kind] = {
    "unread log": Kind("call", "stdio", "chatter", 20_000, unread=True, ended=3),
    "long names": Kind("names", lines='hide_tools = ["*zz*", "**x**y**z", "re:(a|aa)*b"]\n'),
    "sessions": Kind("sessions", mebibytes=64),
    "members": Kind("members", mebibytes=160),
    "pings": Kind("call", "http", "pings", 200_000, answered=20),
    "questions": Kind("call", "stdio", "questions", 200_000, answered=20),
    "chatter": Kind("call", "stdio", "chatter", 200_000, answered=20),
    "deep": Kind("call", "stdio", "deep", 100_000),
}
