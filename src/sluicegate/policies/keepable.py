"""What a backend says that matters for keeping its answers, and for giving one to several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from ..protocol.calls import Caller
from ..protocol.changes import Changes
from .effects import ENDING, TOOL

__all__ = ["Answers", "KeptTools"]


class Answers(Protocol):
    """A backend, as far as it matters for how long its answers hold, and for whom."""

    name: str

    @property
    def changes(self) -> Changes:
        """What holds no more."""
        ...

    def audience(self, caller: Caller) -> str | None:
        """Whoever has the same would be answered the same, unless an answer is private; None where nobody has."""
        ...

    def may_share(self, caller: Caller) -> bool:
        """Whether a call of his can be run for others, too: on the session that all share, and with no question to its client."""
        ...

    def is_read_only(self, tool: str) -> bool:
        """Whether it says that a tool changes nothing."""
        ...

    def is_safe(self, method: str, local: str) -> bool:
        """Whether it says that it does no harm to run a call twice."""
        ...


@attrs.frozen(eq=False, repr=False)
class KeptTools:
    """Of which tools results are kept, and which make others be forgotten."""

    backend: Answers
    is_named: Callable[[str], bool]
    """Whether the settings name a tool among those that are kept."""
    is_excepted: Callable[[str], bool]
    """Whether they name it among those that are not."""
    minds_writes: bool
    """Whether a tool that may change something makes all be forgotten."""
    seconds_of: Callable[[str], float]
    """How long what a tool answers holds."""

    def keeps(self, tool: str) -> bool:
        """What is idempotent is kept only where a write in between is noticed: the same again, after another one, is no repetition."""
        if self.is_excepted(tool):
            return False
        backend = self.backend
        return self.is_named(tool) or backend.is_read_only(tool) or (self.minds_writes and backend.is_safe(TOOL, tool))

    def may_change(self, method: str, tool: str) -> bool:
        """Whether a call may change what others are answered: of a tool that writes, or one by which a task is seen to have ended."""
        if not self.minds_writes or method != TOOL:
            return self.minds_writes and method in ENDING
        return not self.backend.is_read_only(tool) and (self.is_excepted(tool) or not self.is_named(tool))
