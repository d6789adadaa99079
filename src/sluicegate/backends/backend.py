"""One backend as the rest of the gateway sees it: a state, an offer, and a handler that reaches its live session."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

import attrs
import trio

from ..loggers import get_logger
from ..protocol import faults
from ..protocol.blot import Blot, shown, unblotted
from ..protocol.calls import READS, Call, Caller, Hop, Reply
from ..protocol.clientele import MANY, Clientele
from ..protocol.messages import Params
from ..protocol.offers import KINDS, ListKind, Offer
from ..protocol.why import Why
from .health import Health
from .session import BackendSession, Connector

__all__ = ["Backend", "Phase", "State", "StateChange"]

log = get_logger("sluicegate.backend")


class State(enum.Enum):
    """Where a backend is in its life."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    CRASH_LOOPING = "crash_looping"
    STOPPED = "stopped"


GIVEN_UP = (State.CRASH_LOOPING, State.STOPPED)
LONGEST_RESTART = 30.0
"""Seconds that calls may wait for a backend that was lost; one that is away for longer is down, and calls to it fail at once."""


class Phase(enum.Enum):
    """How far an attempt to reach a backend came."""

    CONNECT = "connect"
    INITIALIZE = "initialize"


@attrs.frozen
class StateChange:
    """A backend went from one state to another."""

    backend: str
    old: State
    new: State
    cause: str
    """In words for the operator."""
    at: float
    """Seconds of ``trio.current_time()``."""


@attrs.define(eq=False)
class Backend:
    """A backend under supervision. Everything but `inner`'s work is sync; only its supervisor changes the state."""

    name: str
    connector: Connector
    on_change: Callable[[StateChange], None] = lambda _change: None
    on_lists: Callable[[], None] = lambda: None
    """Called when the backend's lists may differ from before."""
    health: Health | None = None
    """What is thought of it while it is up; None where nobody asked for that."""
    strict: bool = False
    """Whether its lists are offered as they came, with what clients cannot read."""
    blot: Blot = unblotted
    """Takes known secrets out of what the operator reads."""
    clientele: Clientele = MANY
    """Who stands behind its session."""
    state: State = attrs.field(default=State.STARTING, init=False)
    since: float = attrs.field(factory=trio.current_time, init=False)
    down_since: float = attrs.field(factory=trio.current_time, init=False)
    """When it was lost last, or began to start; of no interest while it is ready."""
    error: str = attrs.field(default="", init=False)
    """Why it is not ready, or why it was not before, in words for the operator; empty after a clean start."""
    told: str = attrs.field(default="", init=False)
    """What callers may know of that."""
    phase: Phase = attrs.field(default=Phase.CONNECT, init=False)
    restarts: int = attrs.field(default=0, init=False)
    in_flight: int = attrs.field(default=0, init=False)
    offer: Offer | None = attrs.field(default=None, init=False)
    """What it offers, or offered before a restart; None before it was ever ready and when it is given up."""
    session: BackendSession | None = attrs.field(default=None, init=False)
    stale: set[ListKind] = attrs.field(factory=set, init=False)
    """Lists that the backend says have changed and that have not been read again."""
    _begun: Hop = attrs.field(default=attrs.Factory(lambda self: Hop(self.name, "cancelled", 0.0), takes_self=True), init=False)
    """What an attempt has come to until it ends."""
    _news: trio.Event | None = attrs.field(default=None, init=False)
    """Made only while somebody waits, since every call may set it."""

    @property
    def transport(self) -> str:
        """How it is reached."""
        return self.connector.transport

    @property
    def is_up(self) -> bool:
        """Whether a call could be sent right now."""
        return self.session is not None

    @property
    def comes_back(self) -> bool:
        """Whether there is no session to send a call on, and one is about to be opened: it was lost or begun not long ago."""
        if _serves(self):
            return False
        is_starting = self.state in (State.STARTING, State.RESTARTING) and trio.current_time() < self.down_since + LONGEST_RESTART
        return self.state is State.READY or is_starting

    @property
    def is_available(self) -> bool:
        """Whether it makes sense to send a call right now: it is up, and not found to be unhealthy."""
        return self.session is not None and (self.health is None or self.health.is_healthy)

    def session_for(self, caller: Caller) -> BackendSession | None:
        """The session that serves this caller; None while there is none. All callers share one."""
        del caller
        return self.session

    def lists(self, method: str, local: str) -> bool:
        """Whether the backend lists what a method (``tools/call``) wants to use."""
        return self.offer is not None and self.offer.covers(method, local)

    def is_safe(self, method: str, local: str) -> bool:
        """Whether it does no harm to run a call twice, as far as the backend's own annotations tell."""
        if method == "tools/call":
            return self.offer is not None and local in self.offer.harmless_tools
        return method in READS

    async def __call__(self, call: Call) -> Reply:
        """Send one attempt to the live session; the innermost handler of this backend's chain."""
        began = trio.current_time()
        hops = call.trail.hops
        place = len(hops)
        hops.append(self._begun)  # already now: a copy may still be winding up when its call is answered, and counted
        outcome = "cancelled"
        reply = None
        health = self.health
        due = math.inf if health is None else health.call_begins()
        self.in_flight += 1
        try:
            session = self.session_for(call.caller)
            if session is None:
                await trio.lowlevel.checkpoint()
                reply = Reply.failed(self.absence())
            else:
                reply = await session.request(call)
            outcome = reply.outcome(call.method)
            if reply.fault is not None and reply.fault.hides_something and session is not None:  # who is down was told of already
                reply = Reply.failed(self._tell(call, reply.fault))
            return reply
        finally:
            self.in_flight -= 1
            hops[place] = Hop(self.name, outcome, trio.current_time() - began)
            if health is not None:
                health.call_ended(call, reply, due)
            self.tick()

    def _tell(self, call: Call, fault: faults.Fault) -> faults.Fault:
        """Put into the log what callers are not told of a fault; the same fault without known secrets."""
        told = attrs.evolve(fault, for_operator=shown(fault.for_operator, self.blot))
        log.warning("call failed", backend=self.name, method=call.method, reason=told.reason, error=told.told)
        return told

    def absence(self) -> faults.Fault:
        """Why there is no session, as a fault."""
        why = {
            State.STARTING: "it is still starting",
            State.STOPPED: "it has been removed",
            State.CRASH_LOOPING: "it keeps failing",
        }.get(self.state, "it is being restarted")
        return faults.unavailable(self.name, Why(self.told, self.error).after(why))

    # -- the supervisor's side

    def enter(self, state: State, cause: Why) -> None:
        """Change the state and tell who listens."""
        cause = Why(cause.public, shown(cause.operator, self.blot))
        if state is self.state and cause.operator == self.error:
            return
        change = StateChange(self.name, self.state, state, cause.operator, trio.current_time())
        self.state, self.error, self.told, self.since = state, cause.operator, cause.public, change.at
        if change.old is State.READY:
            self.down_since = change.at
        if state in GIVEN_UP:
            self.offer = None
        self.tick()
        self.on_change(change)

    def notification(self, method: str, params: Params) -> None:
        """What the backend says of its own accord (implements `Inbox`); a changed list is read again by the supervisor."""
        del params
        stale = {kind for kind in KINDS if kind.changed == method}
        if stale:
            self.stale |= stale
            self.tick()

    def tick(self) -> None:
        """Have everybody look again who waits for something to become true."""
        if self._news is not None:
            self._news.set()
            self._news = None

    async def wait_ready(self) -> None:
        """Wait until it can be sent a call, is given up or removed, or has been away for `LONGEST_RESTART`."""
        begun = trio.current_time() if self.state is State.READY else self.down_since
        with trio.move_on_at(begun + LONGEST_RESTART):
            await self.wait_for(lambda backend: _serves(backend) or backend.state in GIVEN_UP)
        await trio.lowlevel.checkpoint()

    async def wait_for(self, condition: Callable[[Backend], bool]) -> None:
        """Wait until a condition on state, stale lists or calls in flight holds."""
        while not condition(self):
            if self._news is None:
                self._news = trio.Event()
            await self._news.wait()


def _serves(backend: Backend) -> bool:
    """Whether it can be sent a call; a session that has just been lost is there for a moment longer."""
    return backend.session is not None and bool(getattr(backend.session, "is_open", True))
