"""Answer requests that are the same, and under way at the same time, with one call (single flight).

A flight belongs to nobody who waits for it: it runs in the background, and ends when it has an answer, or nobody waits any more. Who comes while
it runs waits for its answer; who comes late in it, when it may hang, begins one of his own.
"""

from __future__ import annotations

import attrs
import trio

from ..protocol.calls import NAMED_BY, WORK, Call, Coming, Handler, Reply
from ..protocol.eras import MODERN
from ..protocol.messages import Params, read_text
from ..protocol.tokens import wanted_token
from ..telling.statistics import counter, gauge, snapshot
from .effects import CHANGING, TOOL, may_have_changed
from .flight import Flight, FlightKey, own_call
from .hedge_timer import HedgeTimer
from .keepable import Answers
from .passenger import Passenger
from .request_keys import RequestKeys

__all__ = ["Coalesce", "CoalesceStatistics"]


@attrs.frozen(repr=False)
class CoalesceStatistics:
    """What `Coalesce` has counted."""

    flying: int = attrs.field(metadata=gauge("flights", "Calls that are under way for all who have asked for the same."))
    joined: int = attrs.field(metadata=counter("requests_coalesced", "Requests that were answered with the answer to another one."))


@attrs.define(eq=False, repr=False)
class Coalesce:
    """Leads requests to one backend together that are the same."""

    inner: Handler
    backend: Answers
    keys: RequestKeys
    background: trio.Nursery
    """In which calls fly for who waits in a task."""
    calls: trio.Nursery
    """In which they fly for who does not."""
    timer: HedgeTimer
    joined: int = attrs.field(default=0, init=False)
    """Requests that have waited for the flight of another one."""
    _flights: dict[FlightKey, Flight] = attrs.field(factory=dict, init=False)
    """Those that can be joined."""
    _flying: int = attrs.field(default=0, init=False)
    _writes: int = attrs.field(default=0, init=False)
    """Calls and tasks that have ended and may have changed something."""

    @property
    def flying(self) -> int:
        """Flights that have not ended."""
        return self._flying

    def statistics(self) -> CoalesceStatistics:
        """What it has counted until now."""
        return snapshot(CoalesceStatistics, self)

    async def __call__(self, call: Call) -> Reply:
        """Wait for the flight of this request, which begins now if there is none that can be joined."""
        local = call.local
        key = self._key(call, call.params, local)
        if key is None:
            return await self._alone(call)
        flight, now = self._flights.get(key), trio.current_time()
        if flight is None or not self._can_be_joined(flight, call, local, now):
            return await self._begin(key, call, call.params, self.background, now).wait(call)
        self.joined += 1
        reply = await flight.wait(call)
        is_answer = reply.fault is not None or call.caller.era not in MODERN or reply.hints.is_answer
        return reply if is_answer else await self.inner(call)  # a question can be answered once

    def at_hand(self, call: Call, params: Params) -> Coming | None:
        """The same without a task for the call: its flight has one, in the nursery of calls, which is waited for when the gateway ends.

        Not for a client without a handshake: a flight may come to a question, which has one answer, and then each has to go on for himself.
        """
        trail, local = call.trail, read_text(params, NAMED_BY[call.method]) or ""
        key = None if call.caller.era in MODERN or trail.whole else self._key(call, params, local)
        if key is None:
            return None
        now = trio.current_time()
        flight = self._flights.get(key)
        if flight is not None and self._can_be_joined(flight, call, local, now):
            if flight.nursery is not self.calls:
                return None
            self.joined += 1
            trail.ends_at = now + trail.allowed
        else:
            trail.ends_at = now + trail.allowed
            flight = self._begin(key, call, params, self.calls, now)
        passenger = Passenger(call, wanted_token(params), self.timer, flight.leave)
        flight.take(passenger, trail)
        return passenger

    def _can_be_joined(self, flight: Flight, call: Call, local: str, now: float) -> bool:
        """Not where something has changed since it began: whoever has heard of that, or has changed it, must not be told of what was."""
        changes, writes = flight.since
        return flight.is_open(now) and writes == self._writes and self.backend.changes.hold_since(changes, call.method, local)

    async def _alone(self, call: Call) -> Reply:
        """Run a call for nobody else; nobody joins what began before it, if it may have changed something."""
        if call.method not in CHANGING:
            return await self.inner(call)
        reply = None
        try:
            reply = await self.inner(call)
            return reply
        finally:
            self._writes += not self.backend.is_read_only(call.local) if call.method == TOOL else may_have_changed(call, reply)

    def _key(self, call: Call, params: Params, local: str) -> FlightKey | None:
        """What those have in common who can have one answer; None for a request that has to be made for itself."""
        method, caller = call.method, call.caller
        if method not in WORK or call.trail.asked or not self.backend.is_safe(method, local):
            return None
        audience = self.backend.audience(caller) if self.backend.may_share(caller) else None
        if audience is None:
            return None
        told = "told" if wanted_token(params) else ""  # a backend is asked how far it is only for the sake of those who want to hear it
        found = self.keys.of(method, params, audience)
        return None if found is None else (found, caller.principal.key, caller.era, call.target, told)

    def _begin(self, key: FlightKey, call: Call, params: Params, nursery: trio.Nursery, now: float) -> Flight:
        """A new flight, which can be joined from now on."""
        since = self.backend.changes.count, self._writes
        flight = self._flights[key] = Flight(key, self.backend.name, own_call(call, params), since, self._left, nursery, now)
        self._flying += 1
        nursery.start_soon(self._fly, flight, name="a call for all who have asked for the same")
        return flight

    async def _fly(self, flight: Flight) -> None:
        try:
            await flight.run(self.inner)
        finally:
            self._flying -= 1
            self._writes += flight.call.method == TOOL and not self.backend.is_read_only(flight.call.local)
            self._left(flight)

    def _left(self, flight: Flight) -> None:
        """Nobody is to join it any more."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
