"""What can be set of the cache, and of where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import attrs

from .ranges import NOT_NEGATIVE, WHOLE, Range

__all__ = ["CacheSettings", "StoreSettings"]

_ENTRIES = Range(1, 100_000, words="must be 1-100000", instead="write how many answers may be kept, such as 1000")


@attrs.frozen
class StoreSettings:
    """Where answers are kept, of the backends that have a cache (CACHE-4 … CACHE-6)."""

    backend: Literal["memory", "sqlite", "redis"] = "memory"
    """In "memory"; in a "sqlite" file, where they outlive a restart; in "redis", or Valkey, where several gateways share them."""
    url: str | None = attrs.field(default=None, repr=False, metadata={"example": "answers.sqlite"})
    """The file, relative to this one; or the server: redis://, rediss:// for TLS, with user and password in it, or unix:// for a socket."""
    prefix: str = "mcp-proxy:"
    """What all keys in Redis begin with."""


@attrs.frozen(repr=False)
class CacheSettings:
    """Keeps answers, and gives them again for a while (CACHE-1 … CACHE-9)."""

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
    ttl_seconds_by_tool: Mapping[str, float] = attrs.field(factory=dict)
    """Other times than tool_ttl_seconds for single tools, by patterns of the backend's own names, of which the first that fits counts:
    { "get_*" = 5, "now" = 0 }."""

    def patterns(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Its lists of patterns, by key."""
        yield from (
            ("cache.tools", self.tools),
            ("cache.except_tools", self.except_tools),
            ("cache.ttl_seconds_by_tool", tuple(self.ttl_seconds_by_tool)),
        )

    def ttls(self) -> Mapping[str, float]:
        """By method, how long answers hold at most; without those that do not."""
        given = {
            "tools/call": max(self.tool_ttl_seconds, *self.ttl_seconds_by_tool.values(), 0),
            "resources/read": self.resource_ttl_seconds,
            "prompts/get": self.prompt_ttl_seconds,
        }
        return {method: seconds for method, seconds in given.items() if seconds > 0}
