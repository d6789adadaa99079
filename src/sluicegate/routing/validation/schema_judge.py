"""Whether a call and its answer are what a tool says of itself, and who is told where they are not."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ...protocol.calls import Call, Reply
from ...protocol.members import is_null
from ...protocol.messages import EMPTY, Malformed, Raw, decode_object
from ...telling.loggers import get_logger
from .document_check import DocumentCheck, Misfit
from .schema_bounds import CannotCheck
from .tool_checks import ToolCheck, ToolChecks

__all__ = ["Judge", "places_of"]

log = get_logger("sluicegate.routing.validation")

_MISSING = Misfit("", "required", "structuredContent is missing")


@attrs.frozen(eq=False)
class Judge:
    """Goes by the schemas of one backend's tools, as clients see them. What does not fit and may pass is told to the operator."""

    checks: ToolChecks
    enforces: bool

    @property
    def backend(self) -> str:
        """Whose tools they are."""
        return self.checks.backend

    def of(self, call: Call) -> ToolCheck | None:
        """What the tool says that is called; None where nothing is."""
        return self.checks.of(call.caller.abilities, call.local) if call.method == "tools/call" else None

    def arguments(self, call: Call) -> list[Misfit]:
        """For what reasons a call must not be made."""
        tool = self.of(call)
        if tool is None:
            return []
        given = call.params.get("arguments", EMPTY)
        try:
            return self._misfits(call, "arguments", tool.arguments, EMPTY if is_null(given) else given)
        except CannotCheck as why:  # who wants to pass a check must not choose to
            return [Misfit("", "validate", f"they cannot be compared with it, since {why}")]

    def result(self, call: Call, reply: Reply) -> list[Misfit]:
        """For what reasons its answer must not be given."""
        tool = self.of(call) if reply.fault is None else None
        if tool is None or tool.result is None or reply.tool_result.is_error or not reply.hints.is_answer:
            return []
        result = decode_object(reply.result)
        structured = None if isinstance(result, Malformed) else result.get("structuredContent")
        if structured is not None:
            return self._misfits(call, "result", tool.result, structured)
        if not self.enforces:
            self._tell(call, "result", [_MISSING])
        return [_MISSING] if self.enforces else []

    def _misfits(self, call: Call, what: str, check: DocumentCheck | None, document: Raw) -> list[Misfit]:
        if check is None:
            return []
        try:
            wrong = check.misfits(document)
        except CannotCheck as why:
            if self.enforces and what == "arguments":
                raise
            log.warning("what could not be validated has passed", backend=self.backend, tool=call.local, what=what, reason=str(why))
            return []
        if wrong and not self.enforces:
            self._tell(call, what, wrong)
        return wrong if self.enforces else []

    def _tell(self, call: Call, what: str, wrong: list[Misfit]) -> None:
        places = [f"{one.place or '/'}: {one.keyword}" for one in wrong]
        log.warning("what a tool says of itself does not fit a call", backend=self.backend, tool=call.local, what=what, places=places)


def places_of(wrong: Iterable[Misfit]) -> str:
    """What does not fit, without a word of what stands there."""
    return "; ".join(f'"{one.place}" does not keep to "{one.keyword}"' for one in wrong)
