"""What a cache has counted."""

from __future__ import annotations

import attrs

from ..telling.statistics import counter, gauge

__all__ = ["CacheStatistics"]


@attrs.frozen(repr=False)
class CacheStatistics:
    """What `Cache` has counted."""

    hits: int = attrs.field(metadata=counter("cache_hits", "Requests that were answered with what was kept, stale answers included."))
    misses: int = attrs.field(metadata=counter("cache_misses", "Requests that might have been answered so, and were not."))
    stale: int = attrs.field(metadata=counter("cache_stale", "Requests that were answered with what was kept for longer than it holds."))
    entries: int = attrs.field(metadata=gauge("cache_entries", "Answers that are kept."))
    entry_bytes: int = attrs.field(metadata=gauge("cache_bytes", "Bytes of the answers that are kept."))
    hit_rate: float
    """Hits, of all requests that might have been; nothing where there were none."""
