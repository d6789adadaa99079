"""Where answers are kept."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ..protocol.calls import Reply

__all__ = ["Store", "Stored"]

OVERHEAD = 512
"""Bytes that an answer takes beside its text."""


class Stored(msgspec.Struct, frozen=True, eq=False):
    """An answer, and how long it holds."""

    reply: Reply
    name: str
    """The backend's own name of what was asked."""
    at: float
    """When it was given, in seconds of ``trio.current_time()``."""
    seconds: float
    """How long it is fresh."""
    until: float
    """When it is of no use any more, stale or not."""
    counts_down: bool = False
    """Whether the result says itself how long it holds, so that it has to say less with time."""

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return memoryview(self.reply.result).nbytes + len(self.name) + OVERHEAD


class Store(Protocol):
    """Holds answers of one kind of one backend. Whatever happens to it, nothing of it raises; what it does not have is asked for anew."""

    async def get(self, key: bytes, now: float) -> Stored | None:
        """What is kept under a key, unless its time is over. A checkpoint only where it waits."""
        ...

    def begin(self) -> object:
        """What `set` is to be told of an answer that is asked for from now on: by it a store knows what has changed elsewhere since."""
        ...

    async def set(self, key: bytes, stored: Stored, begun: object = None) -> None:
        """Keep it, if there is room, and nothing is known to have changed since."""
        ...

    async def delete(self, key: bytes) -> None:
        """Keep it no longer."""
        ...

    async def clear(self, changed: str = "") -> None:
        """Forget all, or what is about one name."""
        ...

    async def settle(self) -> bool:
        """Have done what `delete` and `clear` could not do, wherever else it is kept. Whether nothing of that is left."""
        ...

    def empty(self) -> None:
        """Let go at once of all that is held in this process; whoever asks next has it cleared, wherever else it may be."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """How many answers it has, and their bytes."""
        ...
