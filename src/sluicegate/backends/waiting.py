"""A call on its way to a backend, as those see it who read what the backend says."""

from __future__ import annotations

from typing import Protocol

from ..protocol.calls import Call, Reply
from ..protocol.messages import Raw

__all__ = ["Waiting"]


class Waiting(Protocol):
    """A call that was sent under an id of ours and has no answer yet."""

    @property
    def call(self) -> Call:
        """What was sent."""
        ...

    @property
    def token(self) -> Raw | None:
        """The caller's own progress token; ours is the id."""
        ...

    def settle(self, reply: Reply) -> None:
        """Here is the answer."""
        ...
