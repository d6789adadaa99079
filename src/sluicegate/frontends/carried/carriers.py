"""What carries clients with a connection each, if anything does: only then is the rest of this room loaded."""

from __future__ import annotations

import msgspec

__all__ = ["Carriers"]


class Carriers(msgspec.Struct, frozen=True):
    """What clients are served over beside Streamable HTTP and stdio."""

    websocket: bool = False
    sse: bool = False
    """HTTP+SSE, the transport of 2024."""
    drain_seconds: float = 5.0
    """How long the calls of a client whose connection is to end may go on."""
