"""Serving clients with a connection each beside Streamable HTTP; loaded by who does, since what it stands on takes 5 ms of a start."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..paths import SOCKET, Answer, HttpRoute
from ..streamable_http import StreamableHttp
from .carried_front import Carried
from .carriers import Carriers
from .old_events import OldEvents
from .websocket_front import WebSockets, as_request

__all__ = ["as_request", "carry"]


def carry(
    carriers: Carriers, mcp: StreamableHttp, is_draining: Callable[[], bool]
) -> tuple[Carried, Mapping[str, Answer], Mapping[str, HttpRoute]]:
    """All of them, what they answer on the endpoint's own paths, by method, and the paths of their own."""
    carried = Carried(mcp.endpoint, mcp.table, carriers.drain_seconds)
    sockets = {SOCKET: WebSockets(carried, is_draining, mcp.refuse_new).answer} if carriers.websocket else {}
    rows = OldEvents(carried, is_draining, mcp.refuse_new, mcp.bodies.read).rows if carriers.sse else {}
    return carried, sockets, rows
