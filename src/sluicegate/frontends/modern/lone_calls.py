"""What holds for each request without a session, whatever way it comes: the call that it is, and what its client is answered."""

from __future__ import annotations

import attrs

from ...identity.sealing import KEY_BYTES, Seal
from ...protocol import faults
from ...protocol.calls import NAMED_BY, Call, Caller, Reply, Trail, without_task
from ...protocol.fault import Fault
from ...protocol.introduction import Introduction
from ...protocol.messages import Raw, Request, encode, read_text
from ...protocol.principal import NOBODY, Principal
from ..endpoint import Endpoint
from .stamp import Stamp
from .states import STATE, Kind, RequestState, RequestStates

__all__ = ["LoneCalls"]


@attrs.define(eq=False)
class LoneCalls:
    """Makes calls of such requests, and runs them."""

    endpoint: Endpoint
    states: RequestStates = attrs.field(init=False)
    stamp: Stamp = attrs.field(init=False)

    @states.default
    def _make_states(self) -> RequestStates:
        """What was given to a client holds as long as the process."""
        sources = self.endpoint.sources
        return RequestStates(Seal((sources.secret(KEY_BYTES),), sources.secret), sources.wall)

    @stamp.default
    def _make_stamp(self) -> Stamp:
        return Stamp(self.endpoint.name, self.endpoint.version, self.states)

    def call_of(self, request: Request, said: Introduction, principal: Principal = NOBODY) -> Call | Fault:
        """The call, with what it brings back of an earlier round in its place; or what is wrong with that."""
        params = without_task(said.params)
        target = read_text(params, NAMED_BY.get(request.method, "")) or request.method
        call = Call(request.method, target, params, Caller(said.version, said.capabilities, principal, log_level=said.level))
        if STATE not in params:
            return call
        state = self.states.take(call)
        return state if isinstance(state, Fault) else _taken_up(call, state)

    async def handle(self, call: Call) -> Reply:
        """Answer a call as its client may have it."""
        return self.stamp.on(call, await self.endpoint.handle_alone(call))


def _taken_up(call: Call, state: RequestState) -> Call | Fault:
    """The call with the state of its backend, to which it has to come; a person was asked for its sake."""
    if state.kind is not Kind.BACKEND:
        return faults.stale_state()
    call.params = call.params | {STATE: Raw(encode(state.inner))}
    call.trail = Trail(asked=True, mirrored=True, bound_to=state.about)
    return call
