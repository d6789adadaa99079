"""Whether a backend that is up also works: asked with ``ping``, or judged by its calls where it knows no ``ping``.

Health is a verdict on a live session. While there is none, `sluicegate.backends.backend.Backend.is_up` says all there is to say, and every
new session begins healthy: its handshake was its first check.

Calls judge from the beginning where that is asked for: a proxy may answer pings for a server that is dead, or start a program for each of them.

A ping without an answer is no failure if the backend has answered a call since the ping before. One that is busy is not dead.
A backend that answers ``ping`` with -32601 is judged by its calls until its session ends. Once such a backend is unhealthy nobody would send
it a call and it could never recover; so one call in every interval may try: until that call begins, it passes for healthy.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs
import msgspec
import trio

from ..policies.settings import HealthSettings
from ..protocol import faults
from ..protocol.blot import Blot, shown, unblotted
from ..protocol.calls import Call, Reply
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.faults import Cause, Fault
from ..telling.loggers import get_logger
from .session import BackendSession

__all__ = ["MOST_EVENTS", "Health", "HealthChange"]

log = get_logger("sluicegate.health")

MOST_EVENTS = 100
"""How many changes are remembered of each backend."""


class HealthChange(msgspec.Struct, frozen=True):
    """A backend became healthy or unhealthy."""

    at: float
    """Seconds of ``trio.current_time()``."""
    healthy: bool
    cause: str = ""


def _nobody() -> None:
    pass


@attrs.define(eq=False, repr=False)
class Health:
    """The health of one backend, through all its sessions. Only `watch` ever waits."""

    name: str
    settings: HealthSettings = attrs.field(factory=HealthSettings)
    on_change: Callable[[HealthChange], None] = lambda _change: None
    blot: Blot = unblotted
    """Takes known secrets out of what the operator reads."""
    failures: int = attrs.field(default=0, init=False)
    """In a row, until now."""
    successes: int = attrs.field(default=0, init=False)
    """In a row, until now."""
    error: str = attrs.field(default="", init=False)
    """Why the last check failed, or why it is unhealthy; empty when all is well."""
    last_at: float | None = attrs.field(default=None, init=False)
    """When something was last learned, on Trio's clock."""
    events: deque[HealthChange] = attrs.field(factory=lambda: deque(maxlen=MOST_EVENTS), init=False)
    """The latest changes, oldest first; the first one says that it came up."""
    knows_ping: bool = attrs.field(default=True, init=False)
    """False once this session has answered that it does not."""
    _healthy: bool = attrs.field(default=True, init=False)
    _answered: bool = attrs.field(default=False, init=False)
    """Whether a call was answered since the last ping was judged."""
    _trial_at: float = attrs.field(default=math.inf, init=False)
    """From when on one call may try an unhealthy backend that knows no ping."""
    _wake: Callable[[], None] = attrs.field(default=_nobody, init=False)
    _end: Callable[[], None] = attrs.field(default=_nobody, init=False)

    @property
    def is_healthy(self) -> bool:
        """Whether it should get calls: it is healthy, or one may try."""
        return self._healthy or (not self.knows_ping and trio.current_time() >= self._trial_at)

    # -- the supervisor's side

    def begin(self, wake: Callable[[], None], end: Callable[[], None]) -> None:
        """A new session is ready, so everything starts anew.

        Args:
            wake: called after every change.
            end: called when the session has to end, because it became unhealthy and shall be connected to anew.
        """
        self._wake, self._end = wake, end
        self.failures = self.successes = 0
        self.knows_ping, self._answered, self._trial_at = not self.settings.by_calls, False, math.inf
        self.error = ""
        self.last_at = trio.current_time()
        if not self._healthy or not self.events:
            self._turn("", healthy=True)

    async def watch(self, session: BackendSession) -> None:
        """Ping a session until cancelled, or until it says that it knows no ping. `begin` was called before."""
        due = trio.current_time()
        while self.knows_ping:
            due = max(due + self.settings.interval_seconds, trio.current_time())
            await trio.sleep_until(due)
            fault = await self._ping(session)
            if fault is not None:
                await trio.lowlevel.checkpoint()  # if the whole connection was lost, whoever watches it ends us here
            self._judge_ping(fault)

    async def _ping(self, session: BackendSession) -> Fault | None:
        with trio.move_on_after(self.settings.timeout_seconds):
            return (await session.request(Call("ping", "ping", {}))).fault
        return faults.timed_out("ping", self.settings.timeout_seconds, backend=self.name)

    def _judge_ping(self, fault: Fault | None) -> None:
        answered, self._answered = self._answered, False
        if fault is None or (fault.cause is not Cause.BACKEND and answered):
            self._good()
        elif fault.cause is Cause.BACKEND and fault.code == METHOD_NOT_FOUND:
            log.info("backend knows no ping; its calls show its health", backend=self.name)
            self.knows_ping = False
            if not self._healthy:
                self._trial_at = trio.current_time()
            self._good()
        else:
            self._bad(fault)

    # -- the calls' side

    def call_begins(self) -> float:
        """Use up the trial, if there is one; when the time of the call that begins is up, as far as that matters here."""
        if self.knows_ping:
            return math.inf
        if not self._healthy and trio.current_time() >= self._trial_at:
            self._trial_at = trio.current_time() + self.settings.interval_seconds
        return trio.current_effective_deadline()

    def call_ended(self, call: Call, reply: Reply | None, due: float) -> None:
        """Learn from a call; one that was cut counts only if its time was up, and nobody was asked meanwhile.

        Args:
            call: what was sent to the session.
            reply: None if it was cut.
            due: what `call_begins` said.
        """
        if reply is not None:
            self.note(reply.fault)
        elif call.sent_at is not None and not call.trail.asked and trio.current_time() >= due:
            self.note(faults.timed_out(call.target, trio.current_time() - call.sent_at, backend=self.name))

    def note(self, fault: Fault | None) -> None:
        """Learn from the answer of a call. It decides where there is no ping; else it shows that somebody is at home."""
        if self.knows_ping:
            self._answered = self._answered or fault is None or fault.cause is Cause.BACKEND
        elif fault is not None and fault.counts_against_backend:
            self._bad(fault)
        elif fault is None or fault.cause is Cause.BACKEND:
            self._good()
            if not self._healthy:  # one success was not enough, so the next may come at once
                self._trial_at = trio.current_time()

    # -- the verdict

    def _good(self) -> None:
        self.failures = 0
        self.successes += 1
        self.last_at = trio.current_time()
        if self._healthy:
            self.error = ""
        elif self.successes >= self.settings.healthy_threshold:
            self.error = ""
            self._turn("", healthy=True)

    def _bad(self, fault: Fault) -> None:
        self.successes = 0
        self.failures += 1
        self.last_at = trio.current_time()
        self.error = shown(fault.told, self.blot)
        if self._healthy and self.failures >= self.settings.unhealthy_threshold:
            self._trial_at = trio.current_time() + self.settings.interval_seconds
            self._turn(self.error, healthy=False)

    def _turn(self, cause: str, *, healthy: bool) -> None:
        self._healthy = healthy
        change = HealthChange(trio.current_time(), healthy, cause)
        self.events.append(change)
        if not healthy:
            log.warning("backend is unhealthy", backend=self.name, cause=cause, failures=self.failures)
        elif len(self.events) > 1:
            log.info("backend is healthy again", backend=self.name)
        self._wake()
        self.on_change(change)
        if not healthy and self.settings.reconnect:
            self._end()
