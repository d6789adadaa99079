"""Who listens to a backend in a test: remembers everything and answers nothing by itself."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from sluicegate.protocol.clientele import MANY, Clientele
from sluicegate.protocol.fault import Fault
from sluicegate.protocol.messages import Params
from sluicegate.protocol.question import Question

__all__ = ["Heard"]


@attrs.define(eq=False)
class Heard:
    """What a backend said of its own accord and about calls (implements `Inbox` and `Back`)."""

    methods: list[str] = attrs.field(factory=list)
    """Its notifications that belong to no call."""
    notes: list[bytes] = attrs.field(factory=list)
    """Progress and log lines of calls, as they came."""
    questions: list[Question] = attrs.field(factory=list)
    """What it asked; a test answers them."""
    clientele: Clientele = MANY

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The notes, decoded."""
        return [msgspec.json.decode(note) for note in self.notes]

    def renewed(self) -> None:
        """Remember it as if it had been said."""
        self.methods.append("renewed")

    def notification(self, method: str, params: Params) -> None:
        """Remember its method."""
        del params
        self.methods.append(method)

    def note(self, message: bytes) -> None:
        """Remember it."""
        self.notes.append(message)

    def ask(self, question: Question) -> Fault | None:
        """Remember it, and leave it open."""
        self.questions.append(question)
        return None

    def hold(self, question: Question) -> None:
        """Nothing is to be held."""
