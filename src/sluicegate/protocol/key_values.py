"""What is kept outside of this process, and by several gateways together, as bytes: the seam between who keeps something and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["PATIENCE_SECONDS", "KeyValues"]

PATIENCE_SECONDS = 0.25
"""Nothing waits longer for any of it; a call not for all that is looked up before it is led, nor for all that is kept when it is answered."""


class KeyValues(Protocol):
    """Values under keys, each in a space; a key may be empty.

    Nothing of it raises, and nothing waits for longer than a quarter of a second: what does not come by then, or cannot be had, is None or
    False, and from then on it may be away. It comes back by itself.
    """

    @property
    def is_there(self) -> bool:
        """Whether it makes sense to ask it."""
        ...

    async def run(self) -> None:
        """Reach it, keep in touch with it and clean it up, until cancelled: the one task that everything of it lives in."""
        ...

    async def read(self, space: bytes, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """The values under these keys, all of one moment; None where it is away."""
        ...

    async def write(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bool:
        """Keep a value for so long. Whether it is kept."""
        ...

    async def add(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bytes | None:
        """Keep a value unless there is one; the one that is there then."""
        ...

    async def swap(self, space: bytes, key: bytes, old: bytes, new: bytes, seconds: float) -> bool:
        """Keep a value in the place of another one, if that is still there. Whether it was."""
        ...

    async def delete(self, space: bytes, key: bytes) -> bool:
        """Keep it no longer. Whether that is certain."""
        ...

    def size(self, space: bytes, most: int, most_bytes: int) -> tuple[int, int]:
        """How many values a space has and their bytes, as far as is known; where it has bounds of its own, it keeps to these from now on."""
        ...
