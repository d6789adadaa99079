"""Which scopes the callers of some tools must have been granted, beside those that each caller needs (P-141).

Over HTTP the frontend asks before a call begins, since a client of OAuth reads the status; as a policy it holds for each call, however it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Handler, Reply
from ..protocol.principal import NOBODY

__all__ = ["NeededScopes", "ToolScopesHeld"]

Rule = tuple[Callable[[str], bool], tuple[str, ...]]
"""Whether a tool is meant, and what it needs."""
_MOST_KEPT, _LONGEST_KEPT = 2048, 256
"""Names, and characters of one: callers may write any."""


@attrs.define(eq=False, repr=False)
class NeededScopes:
    """What is needed for which tool, by all rules that mean it."""

    rules: Sequence[Rule]
    everywhere: tuple[str, ...] = ()
    """What each caller needs; told with the rest, so that nobody has to ask twice."""
    _known: dict[str, tuple[str, ...]] = attrs.field(factory=dict, init=False)

    def lacking(self, tool: str, granted: frozenset[str]) -> tuple[str, ...]:
        """All that a tool needs, where anything of it was not granted; else nothing."""
        needed = self._known.get(tool)
        if needed is None:
            needed = self._look(tool)
        return needed if needed and not granted.issuperset(needed) else ()

    def _look(self, tool: str) -> tuple[str, ...]:
        own = [scope for fits, scopes in self.rules if fits(tool) for scope in scopes]
        needed = tuple(dict.fromkeys((*self.everywhere, *own))) if own else ()
        if len(tool) <= _LONGEST_KEPT:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[tool] = needed
        return needed


@attrs.frozen(eq=False, repr=False)
class ToolScopesHeld:
    """Refuse the call of a tool whose caller lacks a scope for it. Whoever has to show nothing, such as the program itself, lacks none."""

    inner: Handler
    needed: NeededScopes

    async def __call__(self, call: Call) -> Reply:
        """Run the call, or say what it needs."""
        who = call.caller.principal
        if call.method != "tools/call" or who is NOBODY or not (lacking := self.needed.lacking(call.target, who.scopes)):
            return await self.inner(call)
        await trio.lowlevel.checkpoint()
        return Reply.failed(faults.insufficient_scope(call.target, lacking))
