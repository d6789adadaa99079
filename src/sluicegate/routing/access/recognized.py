"""The policy that refuses whoever has shown who he is and has no role, where one is needed (RBAC-4): whatever he asks for."""

from __future__ import annotations

import attrs
import trio

from ...protocol.calls import Call, Handler, Reply
from .denied import no_role
from .rule_book import RuleBook

__all__ = ["Recognized"]


@attrs.frozen(eq=False, repr=False)
class Recognized:
    """It stands where every request comes by, those that the gateway answers itself included."""

    inner: Handler
    rules: RuleBook

    async def __call__(self, call: Call) -> Reply:
        """Run a call."""
        if self.rules.may_do_nothing(call.caller.principal):
            await trio.lowlevel.checkpoint()
            return Reply.failed(no_role())
        return await self.inner(call)
