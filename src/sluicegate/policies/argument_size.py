"""How large the arguments of a tool's call may be (VAL-1).

What counts is what they are as JSON without blanks. It is never more than what came in, so whatever is within the limit as it came, which
is nearly everything, is not looked at.
"""

from __future__ import annotations

import attrs
import msgspec
import trio

from ..protocol import faults
from ..protocol.calls import Call, Handler, Reply
from ..protocol.messages import Raw
from ..telling.statistics import counter, snapshot

__all__ = ["ArgumentLimit", "ArgumentSize", "ArgumentStatistics"]


@attrs.frozen(repr=False)
class ArgumentStatistics:
    """What `ArgumentLimit` has counted."""

    refused: int = attrs.field(metadata=counter("arguments_refused", "Calls of tools whose arguments were too large."))


@attrs.define(eq=False, repr=False)
class ArgumentLimit:
    """What the calls that are led to one backend may bring; it stays when the chain is put together anew."""

    most: int
    """Bytes."""
    refused: int = attrs.field(default=0, init=False)
    """Calls that brought more."""

    def statistics(self) -> ArgumentStatistics:
        """What it has counted until now."""
        return snapshot(ArgumentStatistics, self)


@attrs.frozen(eq=False, repr=False)
class ArgumentSize:
    """Refuse a call of a tool whose arguments are too large, before anybody has work with it. Prompts and resources pass."""

    inner: Handler
    limit: ArgumentLimit

    async def __call__(self, call: Call) -> Reply:
        """Run the call, or say how large its arguments are."""
        arguments = call.params.get("arguments")
        if arguments is None or len(arguments) <= self.limit.most or call.method != "tools/call":
            return await self.inner(call)
        size = _size_of(arguments)
        if size <= self.limit.most:
            return await self.inner(call)
        self.limit.refused += 1
        await trio.lowlevel.checkpoint()
        return Reply.failed(faults.client_mistake(f"Tool arguments exceed maximum size: {size} bytes (limit: {self.limit.most} bytes)"))


def _size_of(arguments: Raw) -> int:
    """Bytes without blanks; where they are nested too deep to be looked at, with them."""
    try:
        return len(msgspec.json.format(bytes(arguments), indent=-1))
    except RecursionError:
        return len(arguments)
