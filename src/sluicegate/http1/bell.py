"""One task waits, and others wake it."""

from __future__ import annotations

import attrs
import trio

__all__ = ["Bell"]


@attrs.define(eq=False)
class Bell:
    """Wakes the one task that waits, and nobody later: who rings when nobody waits does nothing."""

    _event: trio.Event | None = attrs.field(default=None, init=False)

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits."""
        return self._event is not None

    def ring(self) -> None:
        """Wake whoever waits."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait until it rings."""
        self._event = trio.Event()
        await self._event.wait()
