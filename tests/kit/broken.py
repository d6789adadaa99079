"""A door at which the first to come in is a connection that fails with a bug of ours, and the others are well."""

from __future__ import annotations

import attrs
import trio

from sluicegate.testing.memory_wire import MemoryStream, memory_pair

__all__ = ["BrokenFirst"]


class _Breaking(MemoryStream):
    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        del max_bytes
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError


def _broken() -> list[trio.abc.Stream]:
    ours, _ = memory_pair()
    return [_Breaking(ours._out, ours._in)]


@attrs.define(eq=False)
class BrokenFirst(trio.abc.Listener[trio.abc.Stream]):
    """Another listener, with a broken connection before all that come to it."""

    below: trio.abc.Listener[trio.abc.Stream]
    _broken: list[trio.abc.Stream] = attrs.field(factory=_broken, init=False)

    async def accept(self) -> trio.abc.Stream:
        """The broken one, then those that come."""
        return self._broken.pop() if self._broken else await self.below.accept()

    async def aclose(self) -> None:
        """Close the other."""
        await self.below.aclose()
