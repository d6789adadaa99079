"""From the attempt that is to fail to the wire that it fails on: the injection travels in the context of the task that makes the attempt.

Nothing is written into the message, so nothing has to be taken out again, and no wire has to read what it carries: whatever sends a request
runs in the task of its call. What it starts on the side (a notice, a new session) finds that the injection has been taken, or that the attempt is over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import attrs

from .kinds import Injection, Refuse

__all__ = ["Pending", "is_refused", "pending", "take"]


@attrs.define(eq=False, repr=False)
class Pending:
    """The injection of one attempt, which happens once at the most."""

    fault: Injection
    on_taken: Callable[[], None]
    """Called when it happens."""
    is_over: bool = attrs.field(default=False, init=False)


pending: ContextVar[Pending | None] = ContextVar("sluicegate fault", default=None)
"""Set while the attempt is with its session."""


def take() -> Injection | None:
    """The injection that this task's request is to meet, if there is one and it has not happened yet."""
    waiting = pending.get()
    if waiting is None or waiting.is_over:
        return None
    waiting.is_over = True
    waiting.on_taken()
    return waiting.fault


def is_refused() -> bool:
    """Whether this task's next request is to find that nobody listens."""
    waiting = pending.get()
    return waiting is not None and not waiting.is_over and isinstance(waiting.fault, Refuse)
