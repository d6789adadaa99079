"""What each client, and all of them together, may have of us: keys of ``[security]``."""

from __future__ import annotations

import attrs

from .ranges import NOT_NEGATIVE, POSITIVE, Range, within

__all__ = ["ClientLimits"]

_AFTERWARDS = Range(0, words="must be >= 0", instead="write 0 to end a call with its connection")


@attrs.frozen(kw_only=True, repr=False)
class ClientLimits:
    """Bounds that hold whoever is calling, on whatever way he came in."""

    max_body_size: int = attrs.field(default=4 * 1024 * 1024, metadata=within(POSITIVE))
    """Bytes of a client's request."""
    max_sessions: int = attrs.field(default=10_000, metadata=within(POSITIVE))
    """Sessions of clients at the same time; for one more, the one ends that was not used for longest."""
    max_sessions_per_principal: int | None = attrs.field(default=None, metadata=within(POSITIVE, example=2500))
    """Of one token, or one address where there is no ``auth``; a quarter of ``max_sessions``, and at least 16, unless given."""
    session_idle_seconds: float = attrs.field(default=1800.0, metadata=within(POSITIVE))
    """A session without calls and open streams ends after that."""
    max_streams_per_session: int = attrs.field(default=64, metadata=within(POSITIVE))
    """Open streams of one session."""
    orphan_seconds: float = attrs.field(default=60.0, metadata=within(_AFTERWARDS))
    """How long a call goes on after its client's connection was lost."""
    max_parked_calls: int = attrs.field(default=0, metadata=within(NOT_NEGATIVE))
    """Calls of clients without a session that may wait for answers to what backends with ``per_client`` ask them; 0 lets none be asked."""
    parked_seconds: float = attrs.field(default=300.0, metadata=within(POSITIVE))
    """How long such a call waits for its client to come back with the answers."""
