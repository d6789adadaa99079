"""What one server accepts, and for how long it waits."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import attrs

from ...settings.composing import own_first, values_of
from ...settings.connections import ConnectionSettings
from .request_head import HeadLimits

__all__ = ["Networks", "ServerSettings"]

Networks = tuple[IPv4Network | IPv6Network, ...]


@attrs.frozen(field_transformer=own_first, repr=False)
class ServerSettings(ConnectionSettings):
    """Limits of an HTTP server: what can be set of its connections, and what is our own. Times are in seconds."""

    head: HeadLimits = attrs.field(factory=HeadLimits)
    """How large a request may be, and how many are parsed ahead."""
    min_rate: int = 500
    """Bytes per second: while an application waits for a body, so many times `body_seconds` must come in that time, or its end; while a client
    holds up an answer, it must take so many times `write_seconds` in that time, or the rest."""
    read_ahead: int = 65_536
    """Bytes of bodies that nobody took yet; with more than that, nothing is read."""
    most_held: int = 256 * 1024 * 1024
    """Bytes of bodies that are not complete, in all applications together; with more than that, a body larger than `read_ahead` is refused.
    So it is where one network has more than is left for all others."""
    takes_waiting: bool = True
    """Whether who is at the door when the accepting ends is let in. False where the sockets live on, and another process will let them in."""
    takes_sockets: bool = False
    """Whether the offer of a WebSocket is taken, by a server that can."""
    trusted: Networks = ()
    """Proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed. If there are any, so is who comes over a Unix socket."""
    linger_seconds: float = 2.0
    """How long what a client still sends is read and dropped, so that the last answer reaches it."""
    on_refused: Callable[[int, str], None] = lambda _status, _reason: None
    """Told of every request that the application never heard of: the status of the answer, and why."""

    @classmethod
    def of(cls, connections: ConnectionSettings, **ours: Any) -> ServerSettings:
        """What a table says of connections, and the rest as it is given here."""
        return cls(**values_of(ConnectionSettings, connections), **ours)
