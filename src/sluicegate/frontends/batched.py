"""A batch of messages on one line or in one frame, whose replies go back as one (P-22)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from ..protocol.batches import read_batch
from ..protocol.eras import BATCHES
from ..protocol.errors import INVALID_REQUEST
from ..protocol.fault import Fault
from ..protocol.messages import Malformed, Message, Request
from ..protocol.parts import Parts
from .exchange import Outlet

__all__ = ["BatchAnswer", "Starting", "messages_of"]


class Starting(Outlet, Protocol):
    """Whoever starts the calls of a batch."""

    def start(self, request: Request, outlet: Outlet) -> None:
        """Start one call, whose answer goes there."""
        ...

    def refuse(self, request: Request, fault: Fault, outlet: Outlet) -> None:
        """Answer one there that does not become a call."""
        ...


def messages_of(line: bytes, version: str) -> list[Message] | Malformed:
    """The messages of a batch in a session of that revision, or why there are none."""
    if version not in BATCHES:
        return Malformed(INVALID_REQUEST, f"batches exist only in revision 2025-03-26; this session speaks {version}")
    return read_batch(line)


@attrs.define(eq=False, repr=False)
class BatchAnswer:
    """Gathers the replies to one batch (implements `Outlet`)."""

    front: Starting
    waiting: int
    _replies: list[bytes] = attrs.field(factory=list, init=False)

    def begin(self, request: Request) -> None:
        """Start one call of it."""
        self.front.start(request, self)

    def note(self, message: bytes) -> None:
        """Notes are no part of a batch."""
        self.front.note(message)

    def ask(self, message: bytes) -> Callable[[], None] | None:
        """Nor are questions."""
        return self.front.ask(message)

    def reply(self, message: bytes | Parts | None) -> None:
        """The last reply sends them all."""
        self.waiting -= 1
        if message is not None:
            self._replies.append(bytes(message))
        if self.waiting == 0:
            self.front.reply(b"[" + b",".join(self._replies) + b"]" if self._replies else None)
