"""One piece of work in each turn of the loop, and of those that wait the newest first.

Who sends more than can be done makes a queue in which everybody else's waits behind his. From a stack whoever comes now is served with what
came in the same turn, and what nobody had time for is the oldest, whose sender has most likely gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

__all__ = ["NewestFirst"]


@attrs.define(eq=False)
class _Waiting:
    called: trio.Event = attrs.field(factory=trio.Event)
    gets_in: bool = False


@attrs.define(eq=False, repr=False)
class NewestFirst:
    """Hands out turns."""

    most: int
    """That wait; for one more the oldest is sent away."""
    _is_taken: bool = attrs.field(default=False, init=False)
    _waiting: deque[_Waiting] = attrs.field(factory=deque, init=False)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[bool, None]:
        """A turn of one's own, for work that does not wait; False for who was sent away."""
        if self._is_taken:
            got_in = await self._wait()
        else:
            self._is_taken = got_in = True
            try:
                await trio.lowlevel.checkpoint()  # so the next one has another turn of the loop
            except BaseException:
                self._pass_on()
                raise
        try:
            yield got_in
        finally:
            if got_in:
                self._pass_on()

    async def _wait(self) -> bool:
        own = _Waiting()
        self._waiting.append(own)
        if len(self._waiting) > self.most:
            self._waiting.popleft().called.set()
        try:
            await own.called.wait()
        except BaseException:
            self._waiting.remove(own)
            raise
        return own.gets_in

    def _pass_on(self) -> None:
        self._is_taken = bool(self._waiting)
        if self._waiting:
            newest = self._waiting.pop()
            newest.gets_in = True
            newest.called.set()
