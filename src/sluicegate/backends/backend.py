"""One backend as the rest of the gateway sees it: what it offers, and a handler that reaches the session of a caller."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator

import attrs
import trio

from ..protocol import faults
from ..protocol.abilities import NONE
from ..protocol.blot import shown
from ..protocol.calls import READS, Call, Caller, Hop, Reply
from ..protocol.changes import Changes
from ..protocol.eras import MODERN
from ..protocol.offers import Offer
from ..protocol.task_ids import METHODS, TaskIds
from ..telling.loggers import get_logger
from ..telling.statistics import snapshot
from .backend_statistics import BackendStatistics
from .client_links import ClientLinks
from .health import Health
from .level_telling import request_aloud
from .link import Link, Phase, State
from .task_desk import TaskDesk

__all__ = ["Backend"]

log = get_logger("sluicegate.backend")


@attrs.define(eq=False, repr=False)
class Backend:
    """A backend. It is no conversation: a `Link` is, and a supervisor keeps that one alive."""

    link: Link
    """The one that all callers share, or those who have none of their own."""
    clients: ClientLinks | None = None
    """Those that are for one client each; None where all share one."""
    task_ids: TaskIds = attrs.field(factory=lambda: TaskIds(os.urandom), repr=False)
    knows_callers: bool = False  # it is told with each request, so that what it answers is for one alone
    name: str = attrs.field(default=attrs.Factory(lambda self: self.link.name, takes_self=True), init=False)
    tasks: TaskDesk = attrs.field(
        default=attrs.Factory(lambda self: TaskDesk(self.link, self.task_ids, lambda: self.clients), takes_self=True), init=False
    )
    """Those that it runs for clients."""
    in_flight: int = attrs.field(default=0, init=False)
    _begun: Hop = attrs.field(default=attrs.Factory(lambda self: Hop(self.name, "cancelled", 0.0), takes_self=True), init=False)
    """What an attempt has come to until it ends."""

    # -- how it is

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self.link.state

    @property
    def since(self) -> float:
        """When it came to be there, in seconds of ``trio.current_time()``."""
        return self.link.since

    @property
    def error(self) -> str:
        """Why it is not ready, or why it was not before, in words for the operator; empty after a clean start."""
        return self.link.error

    @property
    def phase(self) -> Phase:
        """How far the last attempt to reach it came."""
        return self.link.phase

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return self.link.restarts

    @property
    def health(self) -> Health | None:
        """What is thought of it while it is up; None where nobody asked for that."""
        return self.link.health

    @property
    def offer(self) -> Offer | None:
        """What it offers, or offered before a restart; None before it was ever ready and when it is given up."""
        return self.link.offer

    @property
    def transport(self) -> str:
        """How it is reached."""
        return self.link.connector.transport

    @property
    def pid(self) -> int | None:
        """The process id of its child, where it has one."""
        return pid if isinstance(pid := getattr(self.link.session, "pid", None), int) else None

    @property
    def is_up(self) -> bool:
        """Whether a call could be sent right now."""
        return self.link.session is not None

    @property
    def is_available(self) -> bool:
        """Whether it makes sense to send a call right now: it is up, and not found to be unhealthy."""
        return self.link.is_available

    @property
    def comes_back(self) -> bool:
        """Whether it cannot be sent a call now, and is about to be there again."""
        return self.link.comes_back

    def statistics(self) -> BackendStatistics:
        """How it is, and what it has counted until now."""
        return snapshot(BackendStatistics, self, self.link, self.link.tally)

    @property
    def open_questions(self) -> int:
        """What it has asked on all of its links, and has no answer to."""
        return sum(link.open_questions for link in self.links())

    @property
    def unread(self) -> int | None:
        """Messages that wait until it reads; None where each has a way of its own."""
        return None if self.link.unread is None else sum(link.unread or 0 for link in self.links())

    @property
    def unread_bytes(self) -> int | None:
        """Of all of them together."""
        return None if self.link.unread_bytes is None else sum(link.unread_bytes or 0 for link in self.links())

    def links(self) -> Iterator[Link]:
        """All that there are, the shared one first."""
        yield self.link
        if self.clients is not None:
            yield from self.clients

    # -- what it has

    def lists(self, method: str, local: str) -> bool:
        """Whether the backend lists what a method (``tools/call``) wants to use."""
        return any(offer.covers(method, local) for offer in self._offers())

    def is_safe(self, method: str, local: str) -> bool:
        """Whether it does no harm to run a call twice, as far as the backend's own annotations tell."""
        if method != "tools/call":
            return method in READS
        if self.clients is None:  # asked for each call that may be kept
            return self.link.offer is not None and local in self.link.offer.harmless_tools
        return any(local in offer.harmless_tools for offer in self._offers())

    def is_read_only(self, tool: str) -> bool:
        """Whether a tool changes nothing, as far as the backend says."""
        if self.clients is None:
            return self.link.offer is not None and tool in self.link.offer.read_only_tools
        return any(tool in offer.read_only_tools for offer in self._offers())

    def audience(self, caller: Caller) -> str | None:
        """Whoever has the same would be answered the same, as far as it depends on the session and the client; None where nobody has."""
        known = caller.principal.standing if self.knows_callers else ""  # with the rights that it is told of
        if self.clients is not None and self.clients.serves(caller):
            return (life := self.clients.life_of(caller)) and f"{life} {known}"
        return f"{caller.era in MODERN} {caller.abilities} {known}" if self._is_modern else known  # what it hears with each request

    def may_share(self, caller: Caller) -> bool:
        """Whether a call of his can be run for others, too: on the session that all share, and with no question to its client."""
        if self.clients is not None and self.clients.serves(caller):
            return False
        return caller.abilities == NONE or not self._is_modern

    @property
    def _is_modern(self) -> bool:
        return (offer := self.link.offer) is not None and offer.hello.version in MODERN

    @property
    def changes(self) -> Changes:
        """What holds no more of what it has answered."""
        return self.link.changes

    def offer_to(self, abilities: str) -> Offer | None:
        """What it offers to clients that can be asked this, see `Caller.abilities`."""
        return (None if self.clients is None else self.clients.offer(abilities)) or self.link.offer

    def _offers(self) -> Iterator[Offer]:
        if self.link.offer is not None:
            yield self.link.offer
        if self.clients is not None:
            yield from filter(None, map(self.clients.offer, self.clients.known))

    # -- calls

    async def __call__(self, call: Call) -> Reply:
        """Send one attempt to the live session; the innermost handler of this backend's chain."""
        began = trio.current_time()
        hops = call.trail.hops
        place = len(hops)
        hops.append(self._begun)  # already now: a copy may still be winding up when its call is answered, and counted
        outcome = "cancelled"
        reply = None
        link = self.link
        health = link.health
        due = math.inf if health is None else health.call_begins()
        self.in_flight += 1
        try:
            session, offer = link.session, link.offer
            if call.trail.bound_to not in ("", self.name):
                await trio.lowlevel.checkpoint()
                reply = Reply.failed(faults.stale_state())
            elif "task" in call.params or call.method in METHODS or (offer and offer.makes_tasks and call.caller.takes_tasks):
                reply = await self.tasks.carry(call)
            elif self.clients is not None and self.clients.serves(call.caller):
                reply = await self.clients.request(call)
                session = None if call.sent_at is None else session
            elif session is None:
                await trio.lowlevel.checkpoint()
                reply = Reply.failed(link.absence())
            elif call.caller.log_level is not None and link.level.takes_levels:
                reply = await request_aloud(link, call)
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
            if link.news is not None:
                link.tick()

    def _tell(self, call: Call, fault: faults.Fault) -> faults.Fault:
        """Put into the log what callers are not told of a fault; the same fault without known secrets."""
        told = attrs.evolve(fault, for_operator=shown(fault.for_operator, self.link.blot))
        log.warning("call failed", backend=self.name, method=call.method, reason=told.reason, error=told.told)
        return told

    # -- waiting

    async def wait_ready(self) -> None:
        """Wait until it can be sent a call, or is not worth waiting for any more."""
        await self.link.wait_ready()

    async def wait_for(self, condition: Callable[[Backend], bool]) -> None:
        """Wait until a condition on its state or its calls in flight holds."""
        await self.link.wait_for(lambda: condition(self))
