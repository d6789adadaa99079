"""What must not pass in results, in errors and in arguments: taken out, refused, or told of (LIM-93).

It stands outside of what keeps answers and of who else may answer, so that none of them passes it by; a new pattern holds for what was kept, too.
"""

from __future__ import annotations

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.fault import Fault
from ..protocol.messages import Raw
from ..protocol.why import Why
from ..telling.loggers import Seldom, get_logger
from ..telling.statistics import counter, snapshot
from .guarded_texts import KNOWN_FORMS, TextGuard
from .remembering import Remembering
from .settings import GuardrailSettings

__all__ = ["GuardrailStatistics", "Guardrails"]

log = get_logger("sluicegate.guardrails")

_WHAT = "what its guardrails do not let pass"


@attrs.frozen(repr=False)
class GuardrailStatistics:
    """What `Guardrails` has counted."""

    redacted: int = attrs.field(metadata=counter("guardrails_redacted", "Results and arguments in which something was replaced."))
    refused: int = attrs.field(metadata=counter("guardrails_refused", "Results and arguments that were refused for what is in them."))
    warned: int = attrs.field(metadata=counter("guardrails_warned", "Results and arguments that passed with what the log tells of."))


@attrs.define(eq=False, repr=False)
class Guardrails(Remembering[GuardrailSettings]):
    """Look through both ways of a call."""

    redacted: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    warned: int = attrs.field(default=0, init=False)
    _guard: TextGuard = attrs.field(init=False)
    _seldom: Seldom = attrs.field(factory=Seldom, init=False)

    @_guard.default
    def _make_guard(self) -> TextGuard:
        return TextGuard((*(KNOWN_FORMS if self.settings.secrets else ()), *self.settings.patterns))

    async def __call__(self, call: Call) -> Reply:
        """Run the call with what may pass of its arguments, and give what may pass of its answer."""
        given = call.params.get("arguments")
        if given is not None and self.settings.arguments != "pass":
            document = bytes(given)
            taken = await self._judged(document, self.settings.arguments, "arguments", call)
            if taken is None:
                return Reply.failed(faults.client_mistake(f"the arguments for '{call.target}' hold {_WHAT}"))
            if taken is not document:
                call = call.copy(params=call.params | {"arguments": Raw(taken)})
        reply = await self.inner(call)
        return reply if self.settings.results == "pass" else await self._answer(call, reply)

    async def _answer(self, call: Call, reply: Reply) -> Reply:
        fault = reply.fault
        document = bytes(reply.result if fault is None else fault.raw or b"")
        taken = await self._judged(document, self.settings.results, "result", call)
        if taken is None:
            return Reply.failed(faults.unreadable(self.backend, Why(f"it holds {_WHAT}")))
        if taken is document:
            return reply
        return Reply(Raw(taken), said=reply.said) if fault is None else Reply.failed(_with(fault, taken))

    async def _judged(self, document: bytes, action: str, what: str, call: Call) -> bytes | None:
        """What may pass of a document: itself where nothing was found, and None for nothing."""
        found = await self._guard.look_through(document)
        if found is None:
            return document
        if action == "redact":
            self.redacted += 1
            return found.document
        if action == "refuse":
            self.refused += 1
            return None
        self.warned += 1
        more = self._seldom.turn((what, call.target), trio.current_time())
        if more is not None:
            log.warning("guardrails have found something", backend=self.backend, target=call.target, where=what, texts=found.texts)
        return document

    def statistics(self) -> GuardrailStatistics:
        """What it has counted until now."""
        return snapshot(GuardrailStatistics, self)


def _with(fault: Fault, error: bytes) -> Fault:
    """The backend's own error, with this in its place."""
    return attrs.evolve(fault, raw=Raw(error), message="an error in which something was replaced", for_operator="")
