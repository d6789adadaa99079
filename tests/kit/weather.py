"""Connections in bad weather: they deliver in drips, break in the middle of anything, and end too early."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
import trio

from sluicegate.testing.memory_wire import MemoryStream

__all__ = ["BadWire"]

DRIPS, BREAKS = 0.3, 0.04
"""How many connections deliver slowly, and how often one breaks while it carries something."""


@attrs.define(eq=False)
class BadWire(trio.abc.Stream):
    """The client's end of a connection in bad weather."""

    inner: MemoryStream
    chance: random.Random
    is_calm: Callable[[], bool] = lambda: False
    """While true, nothing bad happens."""
    drips: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.drips = self.chance.random() < DRIPS

    @property
    def is_readable(self) -> bool:
        """Whether something can be received."""
        return self.inner.is_readable

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or break after a part of it."""
        if not self.is_calm() and self.chance.random() < BREAKS:
            with memoryview(data) as whole:
                await self.inner.send_all(whole[: self.chance.randrange(len(whole) + 1)])
            await self.inner.aclose()
            raise trio.BrokenResourceError("the weather is bad")
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, or a little of it, or the end, or a failure."""
        if self.is_calm():
            return await self.inner.receive_some(max_bytes)
        if self.drips:
            await trio.sleep(self.chance.choice((0, 0, 0.01)))
        data = await self.inner.receive_some(self.chance.choice((1, 7, 50)) if self.drips else max_bytes)
        roll = self.chance.random()
        if roll < BREAKS:
            await trio.aclose_forcefully(self.inner)
            if roll < BREAKS / 2:
                raise trio.BrokenResourceError("the weather is bad")
            return b""
        return data

    async def aclose(self) -> None:
        """Close."""
        await self.inner.aclose()
