"""What can be set of the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import attrs

from .ranges import NOT_NEGATIVE, WHOLE, Range

__all__ = ["CacheSettings"]

_ENTRIES = Range(1, 100_000, words="must be 1-100000", instead="write how many answers may be kept, such as 1000")


@attrs.frozen(repr=False)
class CacheSettings:
    """Keeps answers, and gives them again for a while (CACHE-1 … CACHE-4)."""

    table: ClassVar[str] = "cache"
    resource_ttl_seconds: float = attrs.field(default=0.0, validator=NOT_NEGATIVE)
    """How long what was read of resources holds; 0 is not at all."""
    tool_ttl_seconds: float = attrs.field(default=0.0, validator=NOT_NEGATIVE)
    """How long results of tools hold that say themselves that they are read-only or idempotent; 0 is not at all."""
    prompt_ttl_seconds: float = attrs.field(default=0.0, validator=NOT_NEGATIVE)
    """How long prompts hold; 0 is not at all."""
    tools: tuple[str, ...] = ()
    """Patterns of the backend's own tools whose results hold, too, whatever they say of themselves: ["get_*"]."""
    except_tools: tuple[str, ...] = ()
    """Patterns of tools whose results never hold, though they change nothing: ["now"]."""
    max_entries: int = attrs.field(default=1000, validator=_ENTRIES)
    """Answers that are kept of tools, of resources and of prompts; those that were not used for longest make room."""
    max_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=WHOLE)
    """Bytes of them; an answer that would take a quarter of it is not kept."""
    stale_while_revalidate_seconds: float = attrs.field(default=0.0, validator=NOT_NEGATIVE)
    """For so long beyond its time an answer is still given, while it is asked for anew behind."""
    stale_if_error_seconds: float = attrs.field(default=0.0, validator=NOT_NEGATIVE)
    """For so long beyond its time an answer is given where the backend cannot be reached, or does not answer."""
    clear_on_writes: bool = True
    """Whether a tool that may change something makes all forgotten that is kept of its backend."""

    def patterns(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Its lists of patterns, by key."""
        yield from (("cache.tools", self.tools), ("cache.except_tools", self.except_tools))

    def ttls(self) -> Mapping[str, float]:
        """By method, how long answers hold; without those that do not."""
        given = {
            "tools/call": self.tool_ttl_seconds,
            "resources/read": self.resource_ttl_seconds,
            "prompts/get": self.prompt_ttl_seconds,
        }
        return {method: seconds for method, seconds in given.items() if seconds > 0}
