"""The way of a call past the schemas of its tool (LIM-56, LIM-94)."""

from __future__ import annotations

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Call, Handler, Reply
from ...protocol.eras import NEWEST
from ...protocol.members import is_null
from ...protocol.messages import EMPTY, Malformed, Raw, decode_object
from ...protocol.why import Why
from ...telling.loggers import get_logger
from .document_check import DocumentCheck, Misfit
from .schema_bounds import CannotCheck
from .tool_checks import ToolChecks

__all__ = ["Validated"]

log = get_logger("sluicegate.routing.validation")

_MISSING = Misfit("", "required", "structuredContent is missing")


@attrs.frozen(eq=False)
class Validated:
    """Refuses what does not fit, or tells the operator of it. It sees arguments as clients write them, and what a tool has answered."""

    inner: Handler
    checks: ToolChecks
    enforces: bool

    async def __call__(self, call: Call) -> Reply:
        """Run a call."""
        tool = self.checks.of(call.caller.abilities, call.local) if call.method == "tools/call" else None
        if tool is None:
            return await self.inner(call)
        given = call.params.get("arguments", EMPTY)
        try:
            wrong = self._misfits(call, "arguments", tool.arguments, EMPTY if is_null(given) else given)
        except CannotCheck as why:  # who wants to pass a check must not choose to
            wrong = [Misfit("", "validate", f"they cannot be compared with it, since {why}")]
        if wrong and self.enforces:
            await trio.lowlevel.checkpoint()
            return _refused(call, wrong)
        reply = await self.inner(call)
        if tool.result is None or reply.fault is not None or reply.tool_result.is_error or not reply.hints.is_answer:
            return reply
        result = decode_object(reply.result)
        structured = None if isinstance(result, Malformed) else result.get("structuredContent")
        wrong = [_MISSING] if structured is None else self._misfits(call, "result", tool.result, structured)
        if not wrong or not self.enforces:
            if structured is None:
                self._tell(call, "result", wrong)
            return reply
        places = "; ".join(f'"{one.place}" does not keep to "{one.keyword}"' for one in wrong)
        return Reply.failed(faults.unreadable(self.checks.backend, Why(f"its structuredContent does not fit its outputSchema: {places}")))

    def _misfits(self, call: Call, what: str, check: DocumentCheck | None, document: Raw) -> list[Misfit]:
        if check is None:
            return []
        try:
            wrong = check.misfits(document)
        except CannotCheck as why:
            if self.enforces and what == "arguments":
                raise
            log.warning("what could not be validated has passed", backend=self.checks.backend, tool=call.local, what=what, reason=str(why))
            return []
        if wrong and not self.enforces:
            self._tell(call, what, wrong)
        return wrong

    def _tell(self, call: Call, what: str, wrong: list[Misfit]) -> None:
        places = [f"{one.place or '/'}: {one.keyword}" for one in wrong]
        log.warning(
            "what a tool says of itself does not fit a call", backend=self.checks.backend, tool=call.local, what=what, places=places
        )


def _refused(call: Call, wrong: list[Misfit]) -> Reply:
    """As the result of a tool, which models read and learn from; before 2025-11-25 as an error of the protocol."""
    words = "the arguments do not fit the tool's inputSchema: " + "; ".join(f'"{one.place}": {one.words}' for one in wrong)
    if call.caller.era and call.caller.era < NEWEST:
        return Reply.failed(faults.client_mistake(words))
    return Reply.saying(f"Error: {words}", is_error=True)
