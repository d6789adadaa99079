"""How a backend is reached, as far as it matters to what can go wrong."""

from __future__ import annotations

import enum

__all__ = ["ANYWHERE", "CHANNELS", "CHILD", "HTTP", "Transport"]


class Transport(enum.Enum):
    """How a backend is reached, as far as faults differ by it."""

    FRAMES = "messages in memory"
    CHILD = "a child process"
    SOCKET = "a WebSocket"
    EVENTS = "HTTP+SSE"
    HTTP = "HTTP"


ANYWHERE = frozenset(Transport)
CHANNELS = frozenset({Transport.FRAMES, Transport.CHILD, Transport.SOCKET, Transport.EVENTS})
HTTP = frozenset({Transport.HTTP})
CHILD = frozenset({Transport.CHILD})
