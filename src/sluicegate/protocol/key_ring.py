"""Keys by which something is known again that clients bring back: the newest is used, and what an older one has made is known as well.

What is made with one is known by its name, `SealingKey.id`, which has `KEY_NAME` characters. Each use has a key of its own, derived from that
one, so what was made for one use means nothing in another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from .sealing_key import SealingKey

__all__ = ["KeyRing", "OwnKey"]


class KeyRing(Protocol):
    """Those of a process, or of several that share them."""

    async def open(self) -> None:
        """Have those that outlive the process, if there are any; again and again."""
        ...

    def newest(self) -> SealingKey:
        """The one that is used now."""
        ...

    def find(self, id: str) -> SealingKey | None:
        """The one of that name, as far as it is known."""
        ...

    async def look_for(self, id: str) -> None:
        """Have the one of that name, if there is one; another process may have made it."""
        ...


@attrs.define(eq=False)
class OwnKey:
    """The one of a process that keeps none (implements `KeyRing`)."""

    secret: Callable[[int], bytes] = attrs.field(repr=False)
    """That many unguessable bytes."""
    _key: SealingKey | None = attrs.field(default=None, init=False, repr=False)

    async def open(self) -> None:
        """There is nothing to be had."""

    def newest(self) -> SealingKey:
        """It is made when it is needed."""
        self._key = self._key or SealingKey.new(0, self.secret)
        return self._key

    def find(self, id: str) -> SealingKey | None:
        """It, if that is its name."""
        return self._key if self._key is not None and self._key.id == id else None

    async def look_for(self, id: str) -> None:
        """Nobody else has any."""
