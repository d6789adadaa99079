"""Who listens to a backend in a test: remembers everything and answers nothing."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from sluicegate.protocol.calls import SILENT, Reply
from sluicegate.protocol.messages import Params

__all__ = ["Heard"]


@attrs.define(eq=False)
class Heard:
    """What a backend said of its own accord and about calls (implements `Inbox` and `Back`)."""

    methods: list[str] = attrs.field(factory=list)
    """Its notifications that belong to no call."""
    notes: list[bytes] = attrs.field(factory=list)
    """Progress and log lines of calls, as they came."""
    may_ask: bool = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The notes, decoded."""
        return [msgspec.json.decode(note) for note in self.notes]

    def notification(self, method: str, params: Params) -> None:
        """Remember its method."""
        del params
        self.methods.append(method)

    def note(self, message: bytes) -> None:
        """Remember it."""
        self.notes.append(message)

    async def ask(self, question: bytes) -> Reply:
        """Refuse: nobody is there to be asked."""
        return await SILENT.ask(question)
