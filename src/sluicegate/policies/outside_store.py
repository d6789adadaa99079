"""Answers that are kept outside of this process, where they outlive it, or other gateways find them, too.

While that place is away they are kept in memory, as without it; what is heard meanwhile to hold no more is told to it when it is back,
and before it is asked again.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from ..protocol.key_values import KeyValues
from .kept_records import Mark, read_record, written
from .memory_store import LARGEST, MemoryStore
from .store import Stored

__all__ = ["OutsideStore"]

MARK = b""
"""The key of a space's mark."""
MARK_SECONDS = 30 * 86400.0
"""For so long it is there without being needed; then all that it was for is out of reach."""


@attrs.frozen(eq=False)
class _State:
    """A mark, where and as it was read."""

    space: bytes
    raw: bytes
    mark: Mark


@attrs.define(eq=False)
class OutsideStore:
    """Implements `Store`."""

    values: KeyValues
    local: MemoryStore
    """For when they are away."""
    space: Callable[[], bytes | None]
    """Of the backend as it is now: another version of it has another one. None while it is not known."""
    wall: Callable[[], float]
    secret: Callable[[int], bytes]
    _state: _State | None = attrs.field(default=None, init=False)
    """As it was seen last."""
    _owes: int = attrs.field(default=0, init=False)
    """How often something was to hold no more that could not be said there."""
    _paying: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _is_local: bool = attrs.field(default=False, init=False)
    """Whether something may be in memory."""
    _is_learning: bool = attrs.field(default=False, init=False)

    @property
    def size(self) -> tuple[int, int]:
        """How many answers it has, and their bytes, as far as that is known."""
        space = self.space()
        if space is None or not self.values.is_there:
            return self.local.size
        return self.values.size(space, self.local.most, self.local.most_bytes)

    def begin(self) -> object:
        """What is known now of what holds; an answer that is asked for from now on is measured by it."""
        return self._state

    async def get(self, key: bytes, now: float) -> Stored | None:
        """What is kept under a key, unless its time is over."""
        space = self.space()
        if space is None or not self.values.is_there or (self._owes and not await self.settle()):
            return await self._from_memory(key, now)
        found = await self.values.read(space, (MARK, key))
        if found is None:
            return await self._from_memory(key, now)
        if self._is_local:
            self._forget_local()
        raw, value = found
        state = self._state
        if state is None or state.raw != raw or state.space != space:
            if self._is_learning:  # by another call; a crowd that does it together would wait for as many connections
                return None
            self._is_learning = True
            try:
                state = await self._learn(space, raw)
            finally:
                self._is_learning = False
        if value is None or state is None:
            return None
        return read_record(value, state.mark, trio.current_time(), self.wall())

    async def set(self, key: bytes, stored: Stored, begun: object = None) -> None:
        """Keep it, if it is not too large, and nothing is known to have changed since it was asked for."""
        if not self.values.is_there:
            self._is_local = True
            await self.local.set(key, stored)
            return
        if not isinstance(begun, _State) or begun.space != self.space() or stored.size > self.local.most_bytes * LARGEST:
            return
        now = trio.current_time()
        await self.values.write(begun.space, key, written(stored, begun.mark, now, self.wall()), stored.until - now)

    async def delete(self, key: bytes) -> None:
        """Keep it no longer. Where that is cut it is owed."""
        await self.local.delete(key)
        space, is_gone = self.space(), False
        try:
            is_gone = space is not None and self.values.is_there and await self.values.delete(space, key)
        finally:
            self._owes += not is_gone

    async def clear(self, changed: str = "") -> None:
        """Forget all, or what is about one name. Where that is cut it is owed."""
        await self.local.clear(changed)
        space, is_said = self.space(), False
        try:
            is_said = space is not None and self.values.is_there and await self._outdate(space, changed)
        finally:
            self._owes += not is_said

    async def settle(self) -> bool:
        """Say there what could not be said before. Whether nothing is owed any more; whoever comes meanwhile waits for that."""
        if not self._owes:
            return True
        async with self._paying:
            owed, space = self._owes, self.space()
            if owed and space is not None and self.values.is_there and await self._renew(space) and self._owes == owed:
                self._owes = 0
        return not self._owes

    def empty(self) -> None:
        """Let go of what is in memory."""
        self._forget_local()

    def _forget_local(self) -> None:
        self._is_local = False
        self.local.empty()

    async def _from_memory(self, key: bytes, now: float) -> Stored | None:
        return await self.local.get(key, now) if self._is_local else None

    async def _learn(self, space: bytes, raw: bytes | None) -> _State | None:
        """Take over a mark that is another one than before, or make the first."""
        if raw is None:
            raw = await self.values.add(space, MARK, Mark(self.secret(16)).written(), MARK_SECONDS)
        mark = None if raw is None else Mark.read(raw)
        if raw is not None and mark is None:  # somebody else's, or damaged
            await self._renew(space)
            return None
        self._state = None if raw is None or mark is None else _State(space, raw, mark)
        return self._state

    async def _outdate(self, space: bytes, changed: str) -> bool:
        state = self._state
        if changed and state is not None and state.space == space:
            mark = state.mark.with_change(changed)
            raw = mark.written()
            if await self.values.swap(space, MARK, state.raw, raw, MARK_SECONDS):
                self._state = _State(space, raw, mark)
                return True
        return await self._renew(space)  # somebody else was quicker: it costs more answers than it has to, and is certain

    async def _renew(self, space: bytes) -> bool:
        """Put everything out of reach."""
        mark = Mark(self.secret(16))
        raw = mark.written()
        if not await self.values.write(space, MARK, raw, MARK_SECONDS):
            return False
        self._state = _State(space, raw, mark)
        return True
