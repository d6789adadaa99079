"""What one backend asks of clients: who is asked, and that each question gets one answer (P-70)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from weakref import WeakKeyDictionary

import attrs

from ..protocol import faults
from ..protocol.back import SILENT
from ..protocol.calls import OURSELVES, Call, Reply, without_task
from ..protocol.clientele import Clientele
from ..protocol.crossings import CROSSINGS, Between, Part
from ..protocol.duplex import Incoming
from ..protocol.faults import Fault
from ..protocol.messages import Notification, Request, encode_error, encode_result, read_text
from ..protocol.question import CAPABILITY, Question
from ..protocol.task_ids import MEMBERS, related_task
from .waiting import Waiting

__all__ = ["MOST_OPEN", "OpenQuestion", "Questions"]

_SHARED = CROSSINGS[Part.QUESTIONS][Between.ONE_SESSION]

MOST_OPEN = 32
"""Questions of one backend that may be open; each may be as large as a message."""


@attrs.define(eq=False, repr=False)
class OpenQuestion:
    """A question that has no answer yet (implements `sluicegate.protocol.duplex.Running`)."""

    request: Request
    question: Question
    calls: list[Waiting]
    """Those that it may be about: one, unless there is one client and nothing says which of its calls it is, or that it is one of them."""

    def cancel(self) -> None:
        """The backend takes it back, and so gets no answer."""
        self.question.withdraw()

    def abort(self, why: str) -> None:
        """The conversation with the backend ends, so nobody can be told."""
        del why
        self.question.withdraw()


@attrs.define(eq=False, repr=False)
class Questions:
    """Those of one session. All of it is sync: a question is passed on by the backend's reader, and its answer by the client's."""

    incoming: Incoming[OpenQuestion]
    """Those that are open."""
    clientele: Clientele
    in_flight: Callable[[], Iterable[Waiting]]
    """The calls that the backend may be working on."""
    refuse: Callable[[bytes, str], None]
    """Sends an error to the backend, within reason: it may ask without end."""
    answer: Callable[[bytes, str], None]
    """Sends it the answer to what was passed on."""
    tell: Callable[[Notification], None]
    """Sends it how far the client is."""
    _turns: WeakKeyDictionary[Call, int] = attrs.field(factory=WeakKeyDictionary, init=False)
    """How often each call was asked of several that it could have been: each question takes a client that is asked by answers another request."""

    def take(self, request: Request, call: Waiting | None) -> None:
        """Pass a question on, or refuse it; ``call`` is the one that something says it is about."""
        fault = self._refusal(request) or self._pass_on(request, call)
        if fault is not None:
            self.refuse(encode_error(request.id, fault.encode()), _what(request))

    def _refusal(self, request: Request) -> Fault | None:
        if request.method not in CAPABILITY or not self.clientele.is_one:
            why = "" if self.clientele.is_one else f": {_SHARED.why}"
            return faults.cannot_ask(f"the gateway declared no capability for {request.method}{why}")
        return self.incoming.refusal(request.key, request.method, "questions")

    def _pass_on(self, request: Request, call: Waiting | None) -> Fault | None:
        one = self.clientele.back
        task = related_task(request.params)
        if call is None and task is not None:  # who fetches its result is to be asked, and else its client for the sake of no call
            calls = [other for other in self.in_flight() if _fetches(other.call, task)]
        else:
            calls = [other for other in self.in_flight() if other.call.back is not SILENT] if call is None else [call]
        if call is not None and call.call.caller is OURSELVES and one is not SILENT:  # what we ask ourselves is about none of its calls
            calls = []
        if not calls and one is SILENT:
            return faults.cannot_ask("no call is known that the question is about, so nobody is asked")
        question = Question(request.method, without_task(request.params), partial(self._answer, request), self.tell)
        running = self.incoming.running
        running[request.key] = OpenQuestion(request, question, calls)
        question.when_over(partial(running.__delitem__, request.key))
        fault = self._ask_first(question, calls) if calls else one.ask(question)
        if fault is not None:
            question.withdraw()
        return fault

    def _ask_first(self, question: Question, calls: Sequence[Waiting]) -> Fault | None:
        """Ask the first who takes the question, of those that were asked least, and hold the others; why the last one does not take it."""
        fault = None
        for call in sorted(calls, key=lambda one: self._turns.get(one.call, 0)) if len(calls) > 1 else calls:
            fault = call.call.back.ask(question)
            if fault is None:
                self._turns[call.call] = self._turns.get(call.call, 0) + 1
                _hold(question, [other for other in calls if other is not call])
                break
        return fault

    def call_ended(self, call: Waiting) -> None:
        """A call is over: what was asked for its sake alone is withdrawn, and the backend told so."""
        for asking in [asking for asking in self.incoming.running.values() if call in asking.calls]:
            asking.calls.remove(call)
            if not asking.calls:
                asking.question.withdraw()
                self._answer(asking.request, Reply.failed(faults.cancelled("the call that it is about has ended")))

    def _answer(self, request: Request, reply: Reply) -> None:
        answer = encode_result(request.id, reply.result) if reply.fault is None else encode_error(request.id, reply.fault.encode())
        self.answer(answer, _what(request))


def _fetches(call: Call, task: str) -> bool:
    return call.method == "tasks/result" and call.back is not SILENT and read_text(call.params, MEMBERS) == task


def _hold(question: Question, calls: Iterable[Waiting]) -> None:
    for call in calls:
        call.call.back.hold(question)


def _what(request: Request) -> str:
    return f"the answer to {request.method}"
