"""A store in memory that several gateways share, and that can go away: the twin of a SQLite file and of a Redis server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

__all__ = ["MemoryValues"]


@attrs.define(eq=False)
class MemoryValues:
    """Implements `sluicegate.protocol.key_values.KeyValues`, for all gateways in one outside world."""

    is_there: bool = True
    """A test sets it to False: the store is away from then on, until it is set again."""
    latency: Callable[[], float] = lambda: 0.0
    """Seconds that an answer takes, which comes in the middle of them; drawn for each."""
    kept: dict[tuple[bytes, bytes], tuple[bytes, float]] = attrs.field(factory=dict)
    """The values, and until when they are there."""
    refuses_writes: bool = False
    """A test sets it to True: from then on nothing more is kept."""

    async def run(self) -> None:
        """Nothing, until cancelled."""
        await trio.sleep_forever()

    async def _turn(self) -> bool:
        await trio.sleep(self.latency() / 2)
        return self.is_there

    def _get(self, space: bytes, key: bytes) -> bytes | None:
        value, until = self.kept.get((space, key), (None, 0.0))
        return value if trio.current_time() < until else None

    async def read(self, space: bytes, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """The values under these keys."""
        if not await self._turn():
            return None
        found = [self._get(space, key) for key in keys]
        return found if await self._turn() else None

    async def write(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bool:
        """Keep a value."""
        if not await self._turn() or self.refuses_writes:
            return False
        self.kept[space, key] = value, trio.current_time() + seconds
        return await self._turn()

    async def add(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bytes | None:
        """Keep a value unless there is one."""
        if not await self._turn() or self.refuses_writes:
            return None
        found = self._get(space, key)
        if found is None:
            self.kept[space, key] = value, trio.current_time() + seconds
        return (found or value) if await self._turn() else None

    async def swap(self, space: bytes, key: bytes, old: bytes, new: bytes, seconds: float) -> bool:
        """Keep a value in the place of another one."""
        if not await self._turn() or self.refuses_writes or self._get(space, key) != old:
            return False
        self.kept[space, key] = new, trio.current_time() + seconds
        return await self._turn()

    async def delete(self, space: bytes, key: bytes) -> bool:
        """Keep it no longer."""
        if not await self._turn() or self.refuses_writes:
            return False
        self.kept.pop((space, key), None)
        return await self._turn()

    def size(self, space: bytes, most: int, most_bytes: int) -> tuple[int, int]:
        """How many it has, and their bytes."""
        del most, most_bytes
        sizes = [len(value) for (where, key), (value, _) in self.kept.items() if where == space and key]
        return len(sizes), sum(sizes)
