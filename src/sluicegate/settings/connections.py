"""How long a client's connection may take for each step, and how many there may be: keys of ``[proxy.listen]``."""

from __future__ import annotations

import attrs

from .ranges import NOT_NEGATIVE, POSITIVE, Range, within

__all__ = ["ConnectionSettings"]

_ANY = Range(0, words=NOT_NEGATIVE.words, instead="write 0 for no limit")


@attrs.frozen(kw_only=True, repr=False)
class ConnectionSettings:
    """What a server grants to each connection, whatever speaks HTTP on it."""

    head_seconds: float = attrs.field(default=10.0, metadata=within(POSITIVE))
    """From the first byte of a request to the end of its headers, and for the TLS handshake."""
    body_seconds: float = attrs.field(default=30.0, metadata=within(POSITIVE))
    """For a request's body; one that brings 500 bytes a second may take longer."""
    write_seconds: float = attrs.field(default=30.0, metadata=within(POSITIVE))
    """How long a client may not read; one that takes 500 bytes a second may take longer."""
    idle_seconds: float = attrs.field(default=75.0, metadata=within(POSITIVE))
    """Between two requests on one connection, and before the first."""
    max_connections: int = attrs.field(default=4096, metadata=within(POSITIVE))
    """Open at the same time; an idle one makes room for the next, or else that is turned away."""
    max_connections_per_peer: int = attrs.field(default=0, metadata=within(_ANY))
    """From one IPv4 address or IPv6 /64 network, trusted proxies excepted; 0 is no limit."""
