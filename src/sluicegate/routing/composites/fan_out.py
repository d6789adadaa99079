"""The handler that runs composite tools; whatever else is called passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Call, Handler, Reply
from ...protocol.fault import Fault
from ...protocol.messages import EMPTY, Malformed, Raw, decode_object, encode, encode_notification
from ...protocol.tokens import wanted_token
from .composite import Composite
from .composite_part import CompositePart, part_of
from .gathered import gathered
from .templates import Missing

__all__ = ["Composites"]


@attrs.frozen(eq=False, repr=False)
class Composites:
    """Each target comes in here again, as a call of its own that passes all that a call of its tool passes."""

    inner: Handler
    tools: Mapping[str, Composite]
    bounded: Callable[[Handler], Handler]
    """Has a call enter its scope, and answers for one that was cut."""
    refuses: Callable[[Call], Fault | None] = lambda _call: None
    """Why its caller may not call one of these; each target is judged for itself, as if its tool were called by him alone."""

    async def __call__(self, call: Call) -> Reply:
        """Run a call."""
        composite = self.tools.get(call.target) if call.method == "tools/call" else None
        if composite is None:
            return await self.inner(call)
        await trio.lowlevel.checkpoint()
        if (fault := self.refuses(call)) is not None:
            return Reply.failed(fault)
        arguments = call.params.get("arguments", EMPTY)
        if isinstance(decode_object(arguments), Malformed):
            return Reply.failed(faults.client_mistake('"arguments" must be an object'))
        run = _Run(composite, call, arguments, self.bounded(self))
        try:
            with trio.move_on_after(float("inf") if composite.seconds is None else composite.seconds):
                await _STRATEGIES[composite.strategy](run)
        except Missing as missing:
            return Reply.failed(faults.client_mistake(f"{missing} is needed, and not there"))
        finally:
            run.tell_whole()
        return run.answer()


@attrs.define(eq=False, repr=False)
class _Run:
    """One call of a composite."""

    composite: Composite
    whole: Call
    arguments: Raw
    handler: Handler
    parts: list[CompositePart] = attrs.field(factory=list)
    _done: int = 0

    async def at_once(self, *, until_one_succeeds: bool) -> None:
        """All targets together; a slow one keeps nobody waiting but the whole."""
        self.parts = [self._part(tool, {}) for tool in self.composite.tools]
        async with trio.open_nursery() as nursery:
            for part in self.parts:
                nursery.start_soon(self._one, part, nursery.cancel_scope if until_one_succeeds else None)

    async def in_turn(self, *, until: bool) -> None:
        """One target after the other, until one succeeds, or until one does not."""
        results: dict[str, Raw] = {}
        for tool in self.composite.tools:
            part = self._part(tool, results)
            self.parts.append(part)
            await self._one(part, None)
            if part.succeeded is until:
                return
            if part.reply is not None:
                results[tool] = part.reply.result

    def _part(self, tool: str, results: Mapping[str, Raw]) -> CompositePart:
        template = self.composite.arguments.get(tool)
        return part_of(self.whole, tool, self.arguments if template is None else template.fill(self.arguments, results))

    async def _one(self, part: CompositePart, others: trio.CancelScope | None) -> None:
        await part.run(self.handler)
        self._done += 1
        self._tell_progress(part.call.target)
        if others is not None and part.succeeded:
            others.cancel(reason="one has succeeded")

    def _tell_progress(self, tool: str) -> None:
        token = wanted_token(self.whole.params)
        if token and not self.whole.trail.whole:
            told = {"progress": Raw(encode(self._done)), "total": Raw(encode(len(self.composite.tools))), "message": Raw(encode(tool))}
            self.whole.back.note(encode_notification("notifications/progress", {"progressToken": Raw(token)} | told))

    def tell_whole(self) -> None:
        """What the whole call has seen is what its parts have."""
        trail = self.whole.trail
        for part in self.parts:
            trail.hops += part.call.trail.hops
            trail.sent |= part.call.trail.sent
            trail.asked |= part.call.trail.asked

    def answer(self) -> Reply:
        """Of what is there."""
        composite, parts = self.composite, self.parts
        if composite.strategy in ("first_success", "race"):
            winner = next((part for part in parts if part.succeeded), None)
            return gathered([winner], failed=False) if winner is not None else gathered(self._with_missing(), failed=True)
        return gathered(self._with_missing(), failed=len(parts) < len(composite.tools) or not all(part.succeeded for part in parts))

    def _with_missing(self) -> Sequence[CompositePart]:
        """Those that were begun; one that has no answer has taken too long."""
        for part in self.parts:
            if part.reply is None:
                part.reply = Reply.failed(faults.cancelled("it had no answer in time"))
        return self.parts


_STRATEGIES = {
    "parallel": lambda run: run.at_once(until_one_succeeds=False),
    "race": lambda run: run.at_once(until_one_succeeds=True),
    "sequential": lambda run: run.in_turn(until=False),
    "first_success": lambda run: run.in_turn(until=True),
}
