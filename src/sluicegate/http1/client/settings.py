"""How long each step of a request may take."""

from __future__ import annotations

import attrs

__all__ = ["ClientSettings"]

SLOWEST_SEND = 65536
"""Bytes per second; a request may take that much longer for its size."""


@attrs.frozen
class ClientSettings:
    """How long each step may take. How long the answer may take is the caller's to say."""

    connect_seconds: float = 30.0
    """Name, TCP, proxy and TLS together."""
    send_seconds: float = 30.0
    """Until the server has taken the request; for its size there is more."""
    idle_seconds: float = 4.0
    """Servers close idle connections after 5 s and more."""
    most_idle: int = 256

    def seconds_to_send(self, size: int) -> float:
        """How long a body of this size may take."""
        return self.send_seconds + size / SLOWEST_SEND
