"""The life of one link to a backend: connect, shake hands, serve, and begin again after a pause (T16).

This is the only place that turns a crash into a restart. Every wait has an end: connecting and the handshake share one deadline, the pause
grows up to a cap, and a backend that keeps dying soon after it was ready is called crash-looping and tried at the longest pause only, until it
has stayed up for as long as crashes are remembered.
"""

from __future__ import annotations

import random
from collections import deque

import attrs
import trio

from ..policies.settings import RestartSettings
from ..protocol.faults import Fault
from ..protocol.messages import Params
from ..protocol.offers import KINDS, Offer
from ..protocol.why import Why
from ..telling.loggers import get_logger
from .doubling import doubled
from .handshake import Handshake, HandshakeFailed, read_list, read_offer
from .level_telling import LevelTelling
from .link import Link, Phase, State
from .modern.introduced import Introduced
from .modern.resource_streams import ResourceStreams
from .modern.upstream import listen
from .patience import NOTHING_ODD, Noticed, Patience
from .session import BackendSession, ConnectFailed, Opener
from .subscribing import Subscribing

__all__ = ["Supervisor", "pause_after"]

log = get_logger("sluicegate.supervisor")

NOTHING = Why("")
REST_SECONDS = 0.5
"""Between two readings of changed lists: some servers say that a list has changed whenever it is read."""


def pause_after(failures: int, restarts: RestartSettings, chance: random.Random, *, looping: bool = False) -> float:
    """The pause after so many failures in a row: doubling, capped, and spread so that backends do not return in step."""
    longest = restarts.max_seconds if looping else doubled(restarts.initial_seconds, failures - 1, restarts.max_seconds)
    return chance.uniform(0.5, 1.0) * longest


@attrs.define(eq=False, repr=False)
class Supervisor:
    """Keeps one link alive until it is cancelled."""

    link: Link
    restarts: RestartSettings
    connect_seconds: float
    chance: random.Random
    opener: Opener = attrs.field(factory=Handshake)
    _patience: Patience = attrs.field(default=attrs.Factory(lambda self: Patience(self.connect_seconds), takes_self=True), init=False)
    _noticed: Noticed = attrs.field(init=False)
    _lasting: bool = attrs.field(init=False)
    """The last start failed in a way that the next one would, too."""
    _was_ready: bool = attrs.field(init=False)
    """The life that ends now, or goes on, took calls."""
    _crashes: deque[float] = attrs.field(factory=deque, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _looping: bool = attrs.field(default=False, init=False)

    def go_by(self, restarts: RestartSettings, connect_seconds: float) -> None:
        """From the next attempt or pause on; what is under way goes on as it began."""
        self.restarts, self.connect_seconds = restarts, connect_seconds
        self._patience.configure(connect_seconds)

    async def run(self) -> None:
        """Supervise until cancelled; afterwards nothing of the backend runs any more."""
        try:
            while True:
                was_ready, cause = await self._live_once()
                await trio.sleep(self._after(was_ready, cause))
                self.link.restarts += 1
        finally:
            self.link.enter(State.STOPPED, NOTHING)

    def _after(self, was_ready: bool, cause: Why) -> float:
        """Note how a life ended; the pause before the next."""
        now = trio.current_time()
        self._failures = 1 if was_ready else self._failures + 1
        self.link.lives += 1
        self.link.tick()
        if was_ready:
            self._crashes.append(now)
        while self._crashes and self._crashes[0] <= now - self.restarts.crash_window_seconds:
            self._crashes.popleft()
        if was_ready and now - self.link.since >= self.restarts.crash_window_seconds:
            self._looping = False  # it has stayed up for long enough
        self._looping = self._looping or len(self._crashes) >= self.restarts.crash_limit
        slower = self._patience.refused(lasting=self._lasting)
        pause = pause_after(max(self._failures, len(self._crashes)), self.restarts, self.chance, looping=self._looping or slower > 0)
        pause *= max(slower, 1.0)
        self.link.enter(State.CRASH_LOOPING if self._looping else State.RESTARTING, cause)
        log.warning(
            "backend is down",
            **self.link.labels,
            cause=self.link.error,
            state=self.link.state.value,
            retry_seconds=round(pause, 2),
        )
        return pause

    async def _live_once(self) -> tuple[bool, Why]:
        """One life, from connecting to the loss of the connection; whether it was ever ready, and why it ended."""
        link = self.link
        link.phase = Phase.CONNECT
        cause = NOTHING
        self._noticed, self._lasting, self._was_ready = NOTHING_ODD, False, False
        with trio.CancelScope(deadline=trio.current_time() + self._patience.seconds) as starting:
            try:
                cause = await self._serve(starting)
            except* (ConnectFailed, HandshakeFailed) as group:
                errors = [error for error in _leaves(group) if isinstance(error, ConnectFailed | HandshakeFailed)]
                self._lasting = any(isinstance(error, HandshakeFailed) and error.lasting for error in errors)
                why = Why("; ".join(error.why.public for error in errors), "; ".join(error.why.operator for error in errors))
                cause = self._noticed.added_to(why)
            except* Exception:  # a bug in a reader or a writer restarts this backend, loudly, and no other
                log.exception("bug in the session of a backend", backend=link.name)
                cause = Why("internal error in its session; the log has the traceback")
        if starting.cancelled_caught:
            cause = self._patience.ran_out(link.phase.value, self._noticed)
        return self._was_ready, cause

    async def _serve(self, starting: trio.CancelScope) -> Why:
        link = self.link
        async with link.connector(link) as opened:
            link.phase = Phase.INITIALIZE
            try:
                declared = await self._declared(opened, starting)
                hello, session = await self.opener(opened, declared)
                offer = await read_offer(session, hello, backend=link.name, strict=link.strict)
            finally:
                self._noticed = Noticed.of(opened)
            starting.deadline = float("inf")
            self._was_ready = True
            self._patience.ready()
            try:
                return await self._while_open(session, offer)
            finally:
                link.session = None  # its offer stays: clients need not see a short restart in their lists
                link.stale.clear()

    async def _declared(self, session: BackendSession, starting: trio.CancelScope) -> Params:
        """What its client can do. Until that is known the backend waits, but not on its own time."""
        clientele = self.link.clientele
        if clientele.is_known:
            return clientele.declared
        left = starting.deadline - trio.current_time()
        starting.deadline = float("inf")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_with, session, nursery.cancel_scope)
                await clientele.wait_known()
                nursery.cancel_scope.cancel(reason="its client is known")
        finally:
            starting.deadline = trio.current_time() + left
        return clientele.declared  # nothing, where the backend has gone; then the handshake says why

    async def _while_open(self, session: BackendSession, offer: Offer) -> Why:
        """Let calls in until the session has closed, or has become unhealthy and shall be opened anew; why."""
        health, level = self.link.health, LevelTelling(session, self.link)
        if not isinstance(session, Introduced):  # which says it with each call
            await level.begin(offer.hello)
        with trio.CancelScope() as living:
            self._open_to_calls(session, offer, living)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_lists_fresh, session, offer)
                if isinstance(session, Introduced):
                    nursery.start_soon(listen, session, self.link, offer.hello)
                keeps = ResourceStreams if isinstance(session, Introduced) else Subscribing
                nursery.start_soon(keeps(session, self.link.name, self.link.watched).run, offer.hello)
                nursery.start_soon(level.run)
                if health is not None:
                    nursery.start_soon(health.watch, session)
                why = await session.wait_closed()
                nursery.cancel_scope.cancel()
                return Why.of(why, "the connection ended")
        return Why("unhealthy", f"unhealthy: {health.error}") if health is not None else NOTHING

    def _open_to_calls(self, session: BackendSession, offer: Offer, living: trio.CancelScope) -> None:
        link = self.link
        link.begin(session)
        offer = self._offers(session, offer)
        if link.health is not None:
            link.health.begin(link.tick, living.cancel)
        log.info(
            "backend is ready",
            **link.labels,
            transport=link.connector.transport,
            protocol=offer.hello.version,
            offers={kind.member: len(items) for kind, items in offer.lists.items() if items},
        )
        link.enter(State.READY, NOTHING)

    def _offers(self, session: BackendSession, offer: Offer) -> Offer:
        """This is what there is now."""
        if isinstance(session, Introduced):
            offer = session.know(offer, has_headers=self.link.connector.transport == "http")
        self.link.offer = offer
        return offer

    async def _keep_lists_fresh(self, session: BackendSession, offer: Offer) -> None:
        """Read a list again when the backend says that it changed; a failed reading keeps the old one (CORE-50)."""
        link = self.link
        while True:
            await link.wait_stale()
            stale = [kind for kind in KINDS if kind in link.stale and kind.capability in offer.hello.capabilities]
            link.stale.clear()
            for kind in stale:
                with trio.move_on_after(self.connect_seconds):
                    listed = await read_list(session, kind, backend=link.name, strict=link.strict)
                    if not isinstance(listed, Fault):
                        offer = self._offers(session, offer.with_list(kind, listed))
                        link.on_lists()
            await trio.sleep(REST_SECONDS)


async def _end_with(session: BackendSession, scope: trio.CancelScope) -> None:
    await session.wait_closed()
    scope.cancel(reason="the backend has gone")


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
