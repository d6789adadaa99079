"""Deadlines with a scope of their own: for any handler, and for each attempt. That of a whole call is in ``lifetime``."""

from __future__ import annotations

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Back, Call, Handler, Reply
from ..protocol.fault import Fault
from ..protocol.question import Question

__all__ = ["AttemptDeadline", "Deadline", "expired"]


@attrs.frozen(repr=False)
class Deadline:
    """Bound a whole call, whatever happens inside it: failover, retries, queues, progress (P-54)."""

    inner: Handler
    seconds: float

    async def __call__(self, call: Call) -> Reply:
        """Run the call, or answer with a timeout; a call that never left for a backend was overload."""
        with trio.move_on_after(self.seconds):
            return await self.inner(call)
        return Reply.failed(expired(call, self.seconds, call.trail.holder, sent=call.trail.sent))


@attrs.frozen(repr=False)
class AttemptDeadline:
    """Bound one attempt at one backend. Progress starts the time anew."""

    inner: Handler
    seconds: float
    backend: str = ""

    async def __call__(self, call: Call) -> Reply:
        """Run one copy of the call, or answer with a timeout."""
        with trio.move_on_after(self.seconds) as scope:
            attempt = call.copy(back=_Moving(call.back, scope, self.seconds))
            try:
                return await self.inner(attempt)
            finally:
                call.sent_at = attempt.sent_at  # who stands outside tells queued from slow by it
        return Reply.failed(expired(call, self.seconds, self.backend, sent=attempt.sent_at is not None))


@attrs.define(eq=False, repr=False)
class _Moving:
    """A back that moves a deadline with every note, and stops it while a question is open."""

    back: Back
    scope: trio.CancelScope
    seconds: float
    questions: int = attrs.field(default=0, init=False)

    def note(self, message: bytes) -> None:
        self._start_anew()
        self.back.note(message)

    def ask(self, question: Question) -> Fault | None:
        fault = self.back.ask(question)
        if fault is None:
            self._stand_still(question)
        return fault

    def hold(self, question: Question) -> None:
        self.back.hold(question)
        self._stand_still(question)

    def _stand_still(self, question: Question) -> None:
        self.questions += 1
        self._start_anew()
        question.when_over(self._go_on)

    def _go_on(self) -> None:
        self.questions -= 1
        self._start_anew()

    def _start_anew(self) -> None:
        self.scope.deadline = float("inf") if self.questions else trio.current_time() + self.seconds


def expired(call: Call, seconds: float, backend: str, *, sent: bool) -> faults.Fault:
    """The fault of a call that took too long. One that never left for a backend was overload, and speaks against nobody."""
    if sent:
        return faults.timed_out(call.target, seconds, backend=backend)
    return faults.overloaded(call.target, f"it waited {seconds:g} s for its turn", backend=backend)
