"""A call whose backend asks in the middle of it, and whose client is asked by an answer and comes back with another request (P-105)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from weakref import ReferenceType, ref

import attrs
import msgspec
import trio

from ...protocol import faults
from ...protocol.calls import Call, Handler, Reply, Trail
from ...protocol.duplex import PROGRESS
from ...protocol.fault import Fault
from ...protocol.messages import Notification, Raw, Request, decode, encode_notification, encode_result
from ...protocol.parts import Parts
from ...protocol.question import Question, undeclared
from ...protocol.tokens import NO_TOKEN, progress_token
from ..client_home import ClientHome
from ..client_side import MOST_QUESTIONS
from ..exchange import Exchange, Outlet
from .inputs import answer_of, answers_in, as_input, asking
from .parking import Comeback, Front, LoneOutlet, Parking
from .states import Kind, RequestState, RequestStates

__all__ = ["ParkedCall", "ParkedWay"]

GONE = "its client did not come back in time with the answers"
LARGEST_KEPT = 64 * 1024
"""Bytes of an answer that is kept for a client who is away. It comes while he is only where the backend has gone on without his."""


@attrs.define(eq=False, repr=False)
class ParkedCall:
    """Implements `Occupant`; to its `Exchange` it is the client (implements `Asker`), in front of the answers that its client waits for one after the other."""

    call: Call
    parking: Parking
    states: RequestStates
    home: ClientHome | None
    """Where the session with the backend lives that is for this call alone."""
    answer: LoneOutlet | None
    """What its client waits for; None while he is away."""
    front: Front
    """Where he comes in."""
    endings: list[Callable[[], None]] = attrs.field(factory=list, init=False)
    """Called when the call has ended."""
    is_over: bool = attrs.field(default=False, init=False)
    _exchange: Exchange | None = attrs.field(default=None, init=False)
    _place: str = attrs.field(default="", init=False)
    """What it is known by, once it was parked."""
    _round: int = attrs.field(default=0, init=False)
    _asked: int = attrs.field(default=0, init=False)
    _questions: dict[str, Question] = attrs.field(factory=dict, init=False)
    """Those that are open, by the names under which its client is asked."""
    _refusal: Fault | None = attrs.field(default=None, init=False)
    _told: ReferenceType[LoneOutlet] | None = attrs.field(default=None, init=False)
    """The answer with the questions that he is away for. Who waits for it keeps it, and what its request said."""
    _waits_until: float = attrs.field(default=0.0, init=False)
    _is_back: trio.Event = attrs.field(factory=trio.Event, init=False)
    _token: Raw | None = attrs.field(default=None, init=False)
    """Under which progress is told; None is the one that the call began with, and an empty one is not at all."""

    @property
    def owner(self) -> tuple[str, str]:
        """Whose it is."""
        return ("", "") if self.home is None else self.home.owner

    @property
    def trail(self) -> Trail:
        """Of the call."""
        return self.call.trail

    def begin(self, exchange: Exchange) -> None:
        """Be the way of this exchange."""
        self._exchange = exchange

    async def run(self, handler: Handler, call: Call) -> Reply:
        """Run the call, and keep its reply until its client is there."""
        reply = await handler(call)
        if self._refusal is not None:
            reply = Reply.failed(self._refusal)
        if self.answer is None and not self.is_over:
            if memoryview(reply.result if reply.fault is None else reply.fault.raw or b"").nbytes > LARGEST_KEPT:
                reply = Reply.failed(faults.cancelled("the answer came while its client was away, and is too large to be kept"))
            with trio.move_on_at(self._waits_until):
                await self._is_back.wait()
        if self.answer is not None:
            self.answer.ends_with(reply.fault)
        return reply

    # -- the backend asks

    def ask(self, question: Question, outlet: Outlet) -> Fault | None:
        """Take a question, and tell the client of it as soon as he waits for something."""
        del outlet
        fault = undeclared(question.method, question.params, self.call.caller.capabilities)
        fault = fault or self._no_room(question) or self.parking.hold(question, self.owner)
        if fault is not None:
            return fault
        self._asked += 1
        name = f"{self._asked}"
        self._questions[name] = question
        question.when_over(partial(self._questions.__delitem__, name))
        if self.answer is not None:
            self._tell(self.answer)
        return None

    def _no_room(self, question: Question) -> Fault | None:
        if self.is_over or self._refusal is not None:
            return faults.cannot_ask("the call that it is about has ended")
        if len(self._questions) >= MOST_QUESTIONS:
            return faults.overloaded(question.method, f"its client has {len(self._questions)} open questions")
        if closed := self.parking.closed(self.front):
            return faults.cannot_ask(closed)
        if not self._place:
            place = self.parking.take_in(self, self.call.target)
            if isinstance(place, Fault):
                self._refusal = place
                self._abort(place.message)
                return place
            self._place = place
        return None

    def _tell(self, answer: LoneOutlet) -> None:
        """LoneOutlet with all questions that are open; the client is away from here on."""
        exchange = self._exchange
        assert exchange is not None
        self._round += 1
        state = self.states.give(RequestState(Kind.PARKED, self._place, self._round), self.call)
        inputs = {name: as_input(question.method, question.params) for name, question in self._questions.items()}
        self.answer, self._told, self._is_back, self._token = None, ref(answer), trio.Event(), NO_TOKEN
        self._waits_until = trio.current_time() + self.parking.seconds
        if self._waits_until < self.call.trail.ends_at:
            exchange.expire(self._waits_until, GONE)
        answer.ends_with(None)
        message = encode_result(exchange.id, asking(inputs, state))
        exchange.asks(message)
        answer.reply(message)

    # -- the client comes and goes

    def go_on(self, comeback: Comeback, id: bytes, answer: LoneOutlet) -> Fault | None:
        """Its client is back. Of several who say so with the same state the first is right, and of those who come too late none."""
        exchange = self._exchange
        answers = answers_in(comeback.params)
        if exchange is None or self.is_over or self.answer is not None or comeback.number != self._round:
            return faults.stale_state()
        if not comeback.caller.principal.may_go_on_for(self.call.caller.principal):
            return faults.stale_state()
        if isinstance(answers, Fault):
            return answers
        exchange.is_asked_again(id)
        if not self.call.scope.cancel_called:  # else there is a reply that says why, or will be in a moment
            exchange.go_on()
        self.answer, self._told = answer, None
        _meta, self._token = progress_token(comeback.params)
        self._is_back.set()
        for name, question in list(self._questions.items()):
            if name in answers:
                question.settle(answer_of(answers[name]))
        if self._questions:
            self._tell(answer)
        return None

    def leave(self, answer: LoneOutlet, *, has_it: bool) -> None:
        """Nobody waits for that answer any more. Who did not get what he was waiting for does not come back either (P-52)."""
        if self.answer is answer or (self._told is not None and self._told() is answer and not has_it):
            self.cancel()

    def cancel(self) -> None:
        """The client does not want it any more."""
        if self._exchange is not None and not self.is_over:
            self.is_over = True
            self._is_back.set()
            self._exchange.cancel()

    def strand(self, why: str) -> None:
        """Its client does not come back. Who is here already may still have the answer: he is only not asked any more."""
        if self.answer is None and not self.is_over:
            self.is_over = True
            self._is_back.set()
            self._abort(why)

    def _abort(self, why: str) -> None:
        if self._exchange is not None:
            self._exchange.abort(why)

    def over(self) -> None:
        """It has ended, and nothing of it stays: neither its place, nor the session that was its own, nor a question without an answer."""
        self.is_over = True
        self._exchange = self._told = None  # opens circles
        if self._place:
            self.parking.let_go(self._place)
        for question in list(self._questions.values()):
            question.settle(Reply.failed(faults.cannot_ask("the call that it is about has ended")))
        if self.home is not None and self.call.scope.cancel_called:
            self.home.end_soon()  # what tells the backend to stop is on its way
        elif self.home is not None:
            self.home.end()
        endings, self.endings = self.endings, []
        for ending in endings:
            ending()

    # -- what is told about the call

    def note(self, message: bytes) -> None:
        """Progress, or a log line, for whoever is there to hear it."""
        told = message if self._token is None else _under(self._token, message)
        if self.answer is not None and told is not None:
            self.answer.note(told)

    def reply(self, message: bytes | Parts | None) -> None:
        """The call is over."""
        answer, self.answer = self.answer, None
        if answer is not None:
            answer.reply(message)


class ParkedWay(msgspec.Struct, frozen=True):
    """The way home of such a call (implements `Outlet`): whatever its client waits for at the moment."""

    call: ParkedCall

    def begin(self, request: Request) -> None:
        """There is one request, and no other may come this way."""

    def note(self, message: bytes) -> None:
        """Pass on progress or a log line."""
        self.call.note(message)

    def ask(self, message: bytes) -> None:
        """Nobody is asked on this way."""

    def reply(self, message: bytes | Parts | None) -> None:
        """Pass on the end of the call."""
        self.call.reply(message)


def _under(token: Raw, message: bytes) -> bytes | None:
    """The same under the token of the request that its client waits with now; nothing if that has none."""
    note = decode(message)
    if not isinstance(note, Notification) or note.method != PROGRESS:
        return message
    return encode_notification(note.method, note.params | {"progressToken": token}) if token else None
