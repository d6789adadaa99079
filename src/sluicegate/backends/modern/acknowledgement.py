"""The first thing that is said on a stream which tells of changes: what of its wishes is honoured (P-110)."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...protocol.back import SILENT
from ...protocol.fault import Fault
from ...protocol.messages import EMPTY, Malformed, Notification, Params, decode, decode_object
from ...protocol.question import Question
from ...protocol.subscription import ACKNOWLEDGED

__all__ = ["Acknowledgement"]


@attrs.frozen(repr=False)
class Acknowledgement:
    """Hears it (implements `Back` for the call that opens the stream). What changes comes on another way."""

    heard: Callable[[Params], None]
    """Takes the wishes that are honoured."""

    def note(self, message: bytes) -> None:
        """A log line may come before it."""
        note = decode(message)
        if isinstance(note, Notification) and note.method == ACKNOWLEDGED:
            honoured = decode_object(note.params.get("notifications", EMPTY))
            self.heard({} if isinstance(honoured, Malformed) else honoured)

    def ask(self, question: Question) -> Fault | None:
        """Nobody is there to be asked."""
        return SILENT.ask(question)

    def hold(self, question: Question) -> None:
        """Nothing is to be held."""
