"""What a client sends, and what it takes: ``Content-Type`` and ``Accept`` (P-42)."""

from __future__ import annotations

from functools import lru_cache

from ..protocol.headers import EVENT_STREAM, JSON, accepts, media_type

__all__ = ["accepted", "is_json"]


@lru_cache
def accepted(accept: str | None) -> tuple[bool, bool]:
    """Whether a client takes plain JSON, and whether it takes a stream (P-42); without the header it takes anything."""
    if accept is None:
        return True, True
    return accepts(accept, JSON), accepts(accept, EVENT_STREAM)


@lru_cache
def is_json(content_type: str) -> bool:
    """Whether a body of that type is JSON in UTF-8."""
    parameters = [part.strip().lower() for part in content_type.split(";")[1:]]
    charsets = [parameter.partition("=")[2].strip('" ') for parameter in parameters if parameter.startswith("charset")]
    return media_type(content_type) == JSON and all(charset in ("utf-8", "utf8", "us-ascii") for charset in charsets)
