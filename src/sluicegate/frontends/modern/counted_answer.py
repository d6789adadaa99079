"""An answer to one of several requests that a call takes, which counts as a large one until it has come."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...protocol.fault import Fault
from ...protocol.messages import Request
from ...protocol.parts import Parts
from .parking import LoneOutlet

__all__ = ["CountedAnswer"]


@attrs.define(eq=False, repr=False)
class CountedAnswer:
    """The same answer (implements `LoneOutlet`). The call does not keep what such a request says, but whoever waits for the answer does."""

    answer: LoneOutlet
    when_over: Callable[[], None]

    def begin(self, request: Request) -> None:
        """Pass it on."""
        self.answer.begin(request)

    def note(self, message: bytes) -> None:
        """Pass it on."""
        self.answer.note(message)

    def ask(self, message: bytes) -> Callable[[], None] | None:
        """Pass it on."""
        return self.answer.ask(message)

    def ends_with(self, fault: Fault | None) -> None:
        """Pass it on."""
        self.answer.ends_with(fault)

    def reply(self, message: bytes | Parts | None) -> None:
        """Here it is."""
        self.when_over()
        self.answer.reply(message)
