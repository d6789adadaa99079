"""``logging/setLevel`` of clients with sessions (P-67)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Caller, Reply
from ..protocol.log_levels import LEVELS
from ..protocol.log_wishes import LogWishes
from ..protocol.messages import EMPTY, read_text
from .client_home import ClientHome

__all__ = ["SessionLevels"]


async def _at_once(_caller: Caller) -> None:
    """Where nobody is to be told."""
    await trio.lowlevel.checkpoint()


@attrs.frozen(eq=False, repr=False)
class SessionLevels:
    """How much of what servers log all clients want to hear, and when backends know of it."""

    wishes: LogWishes = attrs.field(factory=LogWishes)
    told: Callable[[Caller], Awaitable[None]] = _at_once
    """Returns once backends were told what a client wants, or when that takes too long."""

    async def answer(self, call: Call) -> Reply:
        """What its client wants from now on. It is answered when backends know of that: what is called next is to be heard of already."""
        level = read_text(call.params, "level")
        if level not in LEVELS:
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.client_mistake(f'"level" must be one of {", ".join(LEVELS)}'))
        assert level is not None
        home = call.caller.home
        if not isinstance(home, ClientHome):
            await self.told(call.caller)
            return Reply(EMPTY)
        before = home.level
        home.want(level)
        wish = home.wanted
        try:
            await self.told(call.caller)
        except trio.Cancelled:
            if home.wanted == wish:  # else its client has said meanwhile what it wants, be it the same
                home.want(before)
            raise
        return Reply(EMPTY)
