"""The way home of what is said to a client: about one of its calls, or about none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs

from .fault import Fault
from .faults import cannot_ask
from .log_wishes import LogWishes
from .question import Question

__all__ = ["SILENT", "Back", "Household", "Silent"]


class Back(Protocol):
    """The way home of one call while it runs."""

    def note(self, message: bytes) -> None:
        """Pass on progress or a log line. Sync and bounded; in the same queue as the reply. Called by a backend's reader."""
        ...

    def ask(self, question: Question) -> Fault | None:
        """Pass a question on to the caller (sampling, elicitation, roots), or say why not. Sync and bounded; called by a backend's reader.

        What was passed on is answered, or withdrawn, once. Meanwhile the time of an attempt stands still, and there will be no other attempt.
        """
        ...

    def hold(self, question: Question) -> None:
        """A question was passed on elsewhere that this call may have caused: what holds for `ask` holds for this call, too."""
        ...


@attrs.frozen(repr=False)
class Silent:
    """A back that drops notes and refuses questions: for mirror copies, probes and our own calls."""

    def note(self, message: bytes) -> None:
        """Drop it."""

    def ask(self, question: Question) -> Fault | None:
        """Refuse: nobody is there to be asked."""
        del question
        return cannot_ask()

    def hold(self, question: Question) -> None:
        """Nothing is to be held."""


SILENT = Silent()


class Household(Back, Protocol):
    """A client's session, as far as something is kept for this client alone. It is the way to the client for what is about none of its calls."""

    @property
    def owner(self) -> tuple[str, str]:
        """Whose session it is, for the share that he may have: his principal, or his network; both empty where nothing is known."""
        ...

    @property
    def level(self) -> str | None:
        """From which level on the client wants to hear what servers log; None where it has not said."""
        ...

    @property
    def levels(self) -> LogWishes:
        """The same, for links of its own: they hear of what changes."""
        ...

    def keep(self, resident: Callable[[], Awaitable[None]]) -> bool:
        """Run something in a task that is cancelled when the session ends, whatever else happens; False if it has ended. Sync."""
        ...
