"""What holds for each request without a session, whatever way it comes: the call that it is, and what its client is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs
import msgspec

from ...protocol import faults
from ...protocol.abilities import NONE, abilities_of
from ...protocol.calls import NAMED_BY, OURSELVES, WORK, Call, Caller, Reply, Trail, without_task
from ...protocol.crossings import CROSSINGS, Between, Part
from ...protocol.fault import Fault
from ...protocol.introduction import Introduction
from ...protocol.messages import Raw, Request, encode, read_text
from ...protocol.offers import KINDS
from ...protocol.parts import Parts
from ...protocol.principal import NOBODY, Principal
from ...protocol.question import Question
from ..client_home import ClientHome
from ..endpoint import Endpoint
from ..exchange import Exchange, Outlet, answer_at_once
from ..owners import owner_key
from .counted_answer import CountedAnswer
from .inputs import STATE
from .parked_call import ParkedCall, ParkedWay
from .parking import Comeback, Front, LoneOutlet
from .stamp import Stamp
from .states import Kind, RequestState
from .url_elicitation import once_more

__all__ = ["Leave", "LoneCalls", "count_nothing"]

_REFUSED = CROSSINGS[Part.QUESTIONS][Between.LONE_CLIENT]
_MAY_NEED_A_HOME = WORK | {kind.method for kind in KINDS}
"""Methods for which a backend may be spoken to in a session of the client's own: to use something, or to see what there is."""


class Leave(Protocol):
    """To be called when nobody waits for an answer any more, and whether whoever did has got it; sync."""

    def __call__(self, *, has_it: bool) -> None:
        """Leave."""
        ...


class _Mute(msgspec.Struct, frozen=True):
    """A client that cannot be asked (implements `Asker`)."""

    def ask(self, question: Question, outlet: Outlet) -> Fault:
        """Refuse."""
        del question, outlet
        return faults.cannot_ask(_REFUSED.why)


_MUTE = _Mute()


def count_nothing() -> None:
    """What is done when a request is over that took no room that is counted."""


@attrs.define(eq=False, repr=False)
class LoneCalls:
    """Makes calls of such requests, and runs them."""

    endpoint: Endpoint
    front: Front = attrs.field(factory=Front, init=False)
    stamp: Stamp = attrs.field(init=False)
    _last: Caller = attrs.field(default=OURSELVES, init=False, repr=False)
    """Who has called last; nothing of a caller changes, so the next request of the same client has the same one."""

    @stamp.default
    def _make_stamp(self) -> Stamp:
        return Stamp(self.endpoint.name, self.endpoint.version, self.endpoint.states)

    def read(self, request: Request, said: Introduction, principal: Principal = NOBODY, network: str = "") -> Call | Comeback | Fault:
        """The call that a request is, or the one that it comes back to; or what is wrong with what it brings back."""
        params = without_task(said.params) if "task" in said.params else said.params
        target = read_text(params, NAMED_BY.get(request.method, "")) or request.method
        clientele = self.endpoint.clientele
        if clientele.is_one and not clientele.is_known:  # which is said once, in `initialize`
            clientele.declare(said.capabilities if self.endpoint.parking.most else {})
        home = self.home_for(said, principal, network) if request.method in _MAY_NEED_A_HOME else None
        call = Call(request.method, target, params, self._caller(said, principal, home))
        if STATE not in params:
            return call
        state = self.endpoint.states.take(call)
        return state if isinstance(state, Fault) else self._taken_up(call, state)

    def _caller(self, said: Introduction, principal: Principal, home: ClientHome | None) -> Caller:
        last = self._last
        if (
            last.capabilities is said.capabilities  # which are read once
            and last.principal is principal
            and home is last.home is None
            and (last.era, last.log_level) == (said.version, said.level)
        ):
            return last
        caller = self._last = Caller(said.version, said.capabilities, principal, home=home, log_level=said.level)
        return caller

    def home_for(self, said: Introduction, principal: Principal, network: str) -> ClientHome | None:
        """Where a session of its client's own would live, if there may be one."""
        if not self.endpoint.parking.most or abilities_of(said.capabilities) == NONE:
            return None
        return self.endpoint.lone_home(owner_key(principal.key, network), said.level)

    def _taken_up(self, call: Call, state: RequestState) -> Call | Comeback | Fault:
        if state.kind is Kind.PARKED:
            occupant = self.endpoint.parking.find(state.about)
            return faults.stale_state() if occupant is None else Comeback(occupant, state.number, call.params, call.caller)
        if state.kind is Kind.AGAIN:
            return once_more(call, state)
        call.params = call.params | {STATE: Raw(encode(state.inner))}
        call.trail = Trail(asked=True, mirrored=True, bound_to=state.about)
        return call

    def start(
        self,
        request: Request,
        call: Call | Comeback,
        answer: LoneOutlet,
        *,
        when_over: Callable[[], None] = count_nothing,
        answers_cancelled: bool = True,
    ) -> Leave:
        """Run it in a task of its own, or go on with it; its reply goes to that answer.

        Args:
            request: as it came.
            call: what it is.
            answer: where its client waits.
            when_over: called when nothing is kept of the request any more; of one that goes on with a call when it has its answer.
            answers_cancelled: whether a call that its caller cancelled gets an answer.
        """
        if isinstance(call, Comeback):
            return self._go_on(request, call, answer, when_over)
        home = call.caller.home
        if home is None:
            keeps = self.endpoint.directory.current.table.keeps
            message = answer_at_once(request.id, call, self._at_once, self.endpoint.door.audit) if keeps else None
            if isinstance(message, (bytes, Parts)):
                when_over()
                answer.reply(message)
                return _left
            exchange = Exchange(request.id, call, _MUTE, answer, when_over, answers_cancelled, self.endpoint.door.audit)
            call.back = exchange
            self.endpoint.calls.start_soon(exchange.run, partial(self._run, answer))
            return partial(_cancel, exchange)
        assert isinstance(home, ClientHome)
        parked = ParkedCall(call, self.endpoint.parking, self.endpoint.states, home, answer, self.front)
        parked.endings.append(when_over)
        call.back = exchange = Exchange(
            request.id, call, parked, ParkedWay(parked), parked.over, answers_cancelled, self.endpoint.door.audit
        )
        parked.begin(exchange)
        self.endpoint.calls.start_soon(exchange.run, partial(parked.run, self._handle))
        return partial(parked.leave, answer)

    def _go_on(self, request: Request, back: Comeback, answer: LoneOutlet, when_over: Callable[[], None]) -> Leave:
        if when_over is not count_nothing:
            answer = CountedAnswer(answer, when_over)
        fault = back.occupant.go_on(back, request.id, answer)
        if fault is not None:
            answer.ends_with(fault)
            self.endpoint.door.turn_away(request, fault, answer, back.caller)
        return partial(back.occupant.leave, answer)

    def _at_once(self, call: Call) -> Reply | None:
        reply = self.endpoint.at_once(call)
        assert reply is None or isinstance(reply, Reply), "nothing comes later without a task: it may be a question"
        stamped = None if reply is None else self.stamp.on(call, reply)
        return stamped if stamped is None or stamped.fault is None else None

    async def _run(self, answer: LoneOutlet, call: Call) -> Reply:
        reply = self.stamp.on(call, await self.endpoint.handle_alone(call))
        if reply.fault is not None:
            answer.ends_with(reply.fault)
        return reply

    async def _handle(self, call: Call) -> Reply:
        return self.stamp.on(call, await self.endpoint.handle_alone(call))


def _left(*, has_it: bool) -> None:
    """It had its answer at once, so there is nothing to leave."""
    del has_it


def _cancel(exchange: Exchange, *, has_it: bool) -> None:
    """Who has the answer takes back what has ended already."""
    del has_it
    exchange.cancel()
