"""What one server accepts, and for how long it waits."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network

import attrs

from .request_head import HeadLimits

__all__ = ["Networks", "ServerSettings"]

Networks = tuple[IPv4Network | IPv6Network, ...]


@attrs.frozen
class ServerSettings:
    """Limits of an HTTP server. Times are in seconds."""

    head: HeadLimits = attrs.field(factory=HeadLimits)
    """How large a request may be, and how many are parsed ahead."""
    head_seconds: float = 10.0
    """From the first byte of a request to the end of its head."""
    idle_seconds: float = 75.0
    """Between two requests, and before the first."""
    body_seconds: float = 30.0
    """While an application waits for a body, `min_rate` times so many bytes must come in so much time, or its end."""
    write_seconds: float = 30.0
    """While a client holds up an answer, it must take `min_rate` times so many bytes in so much time, or the rest."""
    min_rate: int = 500
    """Bytes per second."""
    read_ahead: int = 65_536
    """Bytes of bodies that nobody took yet; with more than that, nothing is read."""
    most_held: int = 256 * 1024 * 1024
    """Bytes of bodies that are not complete, in all applications together; with more than that, a body larger than `read_ahead` is refused.
    So it is where one network has more than is left for all others."""
    max_connections: int = 4096
    """When there are as many, an idle one makes room for the next, or else that is turned away."""
    takes_waiting: bool = True
    """Whether who is at the door when the accepting ends is let in. False where the sockets live on, and another process will let them in."""
    max_connections_per_peer: int = 0
    """Per IPv4 address or IPv6 /64 network, trusted proxies excepted; 0 sets no limit."""
    trusted: Networks = ()
    """Proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed. If there are any, so is who comes over a Unix socket."""
    linger_seconds: float = 2.0
    """How long what a client still sends is read and dropped, so that the last answer reaches it."""
    on_refused: Callable[[int, str], None] = lambda _status, _reason: None
    """Told of every request that the application never heard of: the status of the answer, and why."""
