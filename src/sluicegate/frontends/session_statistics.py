"""What a table of sessions tells of itself."""

from __future__ import annotations

import attrs

from ..telling.statistics import gauge

__all__ = ["SessionStatistics"]


@attrs.frozen(repr=False)
class SessionStatistics:
    """What there is of clients over HTTP now."""

    sessions: int = attrs.field(metadata=gauge("sessions", "Sessions of clients over HTTP."))
    streams: int = attrs.field(metadata=gauge("streams", "Streams that clients keep open with GET."))
    orphans: int = attrs.field(metadata=gauge("orphans", "Requests that go on although their connection was lost."))
