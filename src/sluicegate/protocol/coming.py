"""A reply that is on its way to a call which needs no task to wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .reply import Reply

__all__ = ["Coming"]


class Coming(Protocol):
    """It comes once, whatever happens, and never while it is still being handed out."""

    def then(self, step: Callable[[Reply], Reply]) -> None:
        """Do this when it is there, after what was said before. A step that has a bug costs this call its result, and no other step."""
        ...

    def end_by(self, time: float) -> None:
        """Have it be a failure if it is not there by then, on Trio's clock."""
        ...

    def leave(self) -> None:
        """Have it be a failure now; ``trail.cut`` of its call says why."""
        ...
