"""From what the configuration says of a store to the one that it means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ...protocol.key_values import KeyValues
from ..blocking import RunBlocking

__all__ = ["OpenValues", "open_values"]


class OpenValues(Protocol):
    """Makes a store; it is reached when its task runs."""

    def __call__(self, backend: str, url: str, prefix: str, run_blocking: RunBlocking, wall: Callable[[], float]) -> KeyValues:
        """One of a kind.

        Args:
            backend: ``sqlite`` or ``redis``.
            url: the file, or the server's address.
            prefix: of all keys in Redis.
            run_blocking: for what blocks.
            wall: the time of day, in seconds since the epoch.
        """
        ...


def open_values(backend: str, url: str, prefix: str, run_blocking: RunBlocking, wall: Callable[[], float]) -> KeyValues:
    """The real ones; each is loaded where it is used."""
    if backend == "sqlite":
        from .sqlite_values import SqliteValues

        return SqliteValues(Path(url), wall, run_blocking)
    from .redis_values import RedisValues

    return RedisValues(url, prefix.encode(), run_blocking)
