"""The way of a call past the schemas of its tool (LIM-56, LIM-94).

What a client writes is judged once, by what it sees: the list of the primary, whoever answers. So is what comes back of whoever has answered. One
that stands in may have a word of its own on both; what it would not take is not refused, since the client has kept to the list, but goes to the next.
"""

from __future__ import annotations

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Call, Handler, Reply
from ...protocol.eras import NEWEST
from ...protocol.why import Why
from .document_check import Misfit
from .schema_judge import Judge, places_of

__all__ = ["FittingArguments", "ValidatedArguments", "ValidatedResult"]


@attrs.frozen(eq=False)
class ValidatedArguments:
    """Refuses a call whose arguments do not fit."""

    inner: Handler
    judge: Judge

    async def __call__(self, call: Call) -> Reply:
        """Run it, or say what is wrong with it."""
        wrong = self.judge.arguments(call)
        if not wrong:
            return await self.inner(call)
        await trio.lowlevel.checkpoint()
        return _refused(call, wrong)


@attrs.frozen(eq=False)
class FittingArguments:
    """Lets no call to a stand-in that does not fit its own tools: another may take it."""

    inner: Handler
    judge: Judge

    async def __call__(self, call: Call) -> Reply:
        """Run it, or have it go on."""
        wrong = self.judge.arguments(call)
        if not wrong:
            return await self.inner(call)
        await trio.lowlevel.checkpoint()
        return Reply.failed(faults.unfit(self.judge.backend, places_of(wrong)))


@attrs.frozen(eq=False)
class ValidatedResult:
    """Gives no structured result that is not what its tool has promised."""

    inner: Handler
    judge: Judge
    backend: str
    """Who has answered; whose promise it is may be another."""

    async def __call__(self, call: Call) -> Reply:
        """Run a call."""
        reply = await self.inner(call)
        wrong = self.judge.result(call, reply)
        if not wrong:
            return reply
        return Reply.failed(
            faults.unreadable(self.backend, Why(f"its structuredContent does not fit its outputSchema: {places_of(wrong)}"))
        )


def _refused(call: Call, wrong: list[Misfit]) -> Reply:
    """As the result of a tool, which models read and learn from; before 2025-11-25 as an error of the protocol."""
    words = "the arguments do not fit the tool's inputSchema: " + "; ".join(f'"{one.place}": {one.words}' for one in wrong)
    if call.caller.era and call.caller.era < NEWEST:
        return Reply.failed(faults.client_mistake(words))
    return Reply.saying(f"Error: {words}", is_error=True)
