"""The way of a call through the rules of the backend that was chosen for it."""

from __future__ import annotations

import attrs
import trio

from ...protocol.calls import Call, Handler, Reply
from ...protocol.faults import Fault
from ...protocol.messages import Raw, encode
from .shape import Shaping

__all__ = ["Reshaped"]


@attrs.frozen(eq=False, repr=False)
class Reshaped:
    """Gives a tool its arguments under its own names, with what the gateway supplies."""

    inner: Handler
    shaping: Shaping

    async def __call__(self, call: Call) -> Reply:
        """Run a call, or refuse it where it names what is hidden."""
        shape = self.shaping.of(call.local) if call.method == "tools/call" else None
        if shape is None or not shape.changes_parameters:
            return await self.inner(call)
        arguments = shape.inward(call.params.get("arguments"), call.caller.principal)
        if isinstance(arguments, Fault):
            await trio.lowlevel.checkpoint()
            return Reply.failed(arguments)
        return await self.inner(call.copy(params=call.params | {"arguments": Raw(encode(arguments))}))
