"""Answers in memory: a segmented LRU (Karedla, Love and Wherry, 1994), bounded in answers and in bytes.

What is new is on probation, and what is asked for again is protected from it: one sweep over a thousand names throws nothing out that is in use.
W-TinyLFU remembers more about what it has thrown away, for a few percent more hits; the libraries that have it keep the time themselves, where no
test and no simulation can reach it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine

import attrs

from ..protocol.changes import is_about
from .store import Stored

__all__ = ["MemoryStore", "at_once"]

PROTECTED = 0.8
"""Of the whole."""
LARGEST = 0.25
"""Of the whole; an answer that is larger is not kept."""


@attrs.define(eq=False, repr=False)
class _Segment:
    """Answers, those first that were not used for longest."""

    entries: OrderedDict[bytes, Stored] = attrs.field(factory=OrderedDict, init=False)
    room: int = attrs.field(default=0, init=False)
    """Bytes that they take."""

    def put(self, key: bytes, stored: Stored) -> None:
        self.entries[key] = stored
        self.room += stored.size

    def take(self, key: bytes) -> Stored | None:
        stored = self.entries.pop(key, None)
        if stored is not None:
            self.room -= stored.size
        return stored

    def oldest(self) -> bytes:
        return next(iter(self.entries))

    def empty(self) -> None:
        self.entries.clear()
        self.room = 0


@attrs.define(eq=False, repr=False)
class MemoryStore:
    """Implements `Store`; nothing of it ever waits."""

    most: int
    """Answers."""
    most_bytes: int
    _probation: _Segment = attrs.field(factory=_Segment, init=False)
    _protected: _Segment = attrs.field(factory=_Segment, init=False)

    @property
    def size(self) -> tuple[int, int]:
        """How many answers it has, and their bytes."""
        new, old = self._probation, self._protected
        return len(new.entries) + len(old.entries), new.room + old.room

    async def get(self, key: bytes, now: float) -> Stored | None:
        """What is kept under a key, unless its time is over."""
        return self.held(key, now)

    def has(self, key: bytes) -> bool:
        """Whether something is kept under a key, fresh or not; it is not used by that."""
        return key in self._probation.entries or key in self._protected.entries

    def held(self, key: bytes, now: float) -> Stored | None:
        """The same, for who cannot wait."""
        stored = self._protected.entries.get(key)
        if stored is not None and now < stored.until:
            self._protected.entries.move_to_end(key)
            return stored
        stored = self._take(key)
        if stored is None or now >= stored.until:
            return None
        self._protected.put(key, stored)
        while self._is_full(self._protected, PROTECTED):
            oldest = self._protected.oldest()
            demoted = self._protected.take(oldest)
            assert demoted is not None
            self._probation.put(oldest, demoted)
        return stored

    def begin(self) -> object:
        """Nothing: what changes is heard in this process."""
        return None

    async def set(self, key: bytes, stored: Stored, begun: object = None) -> None:
        """Keep it, if it is not too large; what was not used for longest makes room."""
        del begun
        segment = self._protected if key in self._protected.entries else self._probation
        self._take(key)
        if stored.size > self.most_bytes * LARGEST:
            return
        segment.put(key, stored)
        new, old = self._probation, self._protected
        while len(new.entries) + len(old.entries) > self.most or new.room + old.room > self.most_bytes:
            first = new if new.entries else old
            first.take(first.oldest())

    async def delete(self, key: bytes) -> None:
        """Keep it no longer."""
        self._take(key)

    async def clear(self, changed: str = "") -> None:
        """Forget all, or what is about one name."""
        if not changed:
            self.empty()
            return
        for segment in (self._probation, self._protected):
            for key in [key for key, stored in segment.entries.items() if is_about(stored.name, changed)]:
                segment.take(key)

    async def settle(self) -> bool:
        """Nothing is ever left."""
        return True

    def empty(self) -> None:
        """Let go of all."""
        self._probation.empty()
        self._protected.empty()

    def _take(self, key: bytes) -> Stored | None:
        return self._probation.take(key) or self._protected.take(key)

    def _is_full(self, segment: _Segment, share: float) -> bool:
        return len(segment.entries) > max(1, self.most * share) or segment.room > self.most_bytes * share


def at_once(keeping: Coroutine[object, None, None]) -> None:
    """Run what never waits, because all that it touches is in memory."""
    try:
        keeping.send(None)
    except StopIteration:
        return
    raise AssertionError("a store in memory has waited")
