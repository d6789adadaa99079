"""A session with a backend to which only requests are of interest."""

from __future__ import annotations

import attrs
import trio

from sluicegate.protocol.messages import Params

__all__ = ["QuietSession"]


@attrs.define
class QuietSession:
    """All of `BackendSession` but ``request``; it never closes by itself."""

    is_open: bool = attrs.field(default=True, kw_only=True)

    def speak(self, version: str) -> None:
        """Any revision is right."""

    def tell(self, method: str, params: Params) -> None:
        """Nobody hears it."""

    async def wait_closed(self) -> str:
        """It never does."""
        await trio.sleep_forever()
        raise AssertionError
