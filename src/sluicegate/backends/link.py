"""One way to a backend, time and again: what its supervisor writes, and everybody else reads."""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs
import msgspec
import trio

from ..channel.outbox import Outbox
from ..protocol import faults
from ..protocol.blot import Blot, shown, unblotted
from ..protocol.changes import Changes
from ..protocol.clientele import MANY, Clientele
from ..protocol.duplex import Duplex
from ..protocol.messages import Params
from ..protocol.offers import KINDS, ListKind, Offer
from ..protocol.subscription import UPDATED
from ..protocol.task_ids import STATUS
from ..protocol.why import Why
from ..waiting.bell import Bell
from .health import Health
from .session import BackendSession, Connector
from .unasked import Tally
from .wanted_level import WantedLevel
from .watched import WatchedResources

__all__ = ["Link", "Phase", "State", "StateChange"]


class State(enum.Enum):
    """Where a link is in its life; a backend is where its shared link is."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    CRASH_LOOPING = "crash_looping"
    STOPPED = "stopped"


_ABOUT_TASKS = (STATUS, "notifications/message")
"""What belongs to no call and may belong to a task."""
GIVEN_UP = (State.CRASH_LOOPING, State.STOPPED)
LONGEST_RESTART = 30.0
"""Seconds that calls may wait for a link that was lost; one that is away for longer is down, and calls fail at once."""


class Phase(enum.Enum):
    """How far an attempt to reach a backend came."""

    CONNECT = "connect"
    INITIALIZE = "initialize"


class StateChange(msgspec.Struct, frozen=True):
    """A backend went from one state to another."""

    backend: str
    old: State
    new: State
    cause: str
    """In words for the operator."""
    at: float
    """Seconds of ``trio.current_time()``."""


@attrs.define(eq=False, repr=False)
class Link:
    """A link under supervision. Everything is sync but waiting; only its supervisor changes the state."""

    name: str
    """Of the backend."""
    connector: Connector
    on_change: Callable[[StateChange], None] = lambda _change: None
    on_lists: Callable[[], None] = lambda: None
    """Called when the backend's lists may differ from before."""
    on_task: Callable[[str, Params], None] = lambda _method, _params: None
    """Called with a notification about a task: that it has another status, or what is logged about it."""
    health: Health | None = None
    """What is thought of it while it is up; None where nobody asked for that."""
    strict: bool = False
    """Whether the backend's lists are offered as they came, with what clients cannot read."""
    blot: Blot = unblotted
    """Takes known secrets out of what the operator reads."""
    clientele: Clientele = MANY
    """Who stands behind it."""
    client: str = ""
    """The beginning of the id of the session that it is for, for the log; empty where it is for many."""
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
    opened: int = attrs.field(default=0, init=False)
    """How often it was somebody who may know nothing of what was before."""
    lives: int = attrs.field(default=0, init=False)
    """How often it was lost, or could not be opened."""
    offer: Offer | None = attrs.field(default=None, init=False)
    """What was offered on it, also before a restart; None before it was ever ready and when it is given up."""
    session: BackendSession | None = attrs.field(default=None, init=False)
    tally: Tally = attrs.field(factory=Tally, init=False)
    """What its sessions were sent that nobody had asked for."""
    changes: Changes = attrs.field(factory=Changes, init=False)
    """What holds no more of what was answered on it."""
    watched: WatchedResources = attrs.field(factory=WatchedResources, init=False)
    """What of its resources clients want to hear, through however many sessions."""
    level: WantedLevel = attrs.field(factory=WantedLevel, init=False)
    """How much of its log is wanted."""
    stale: set[ListKind] = attrs.field(factory=set, init=False)
    """Lists that the backend says have changed and that have not been read again."""
    news: trio.Event | None = attrs.field(default=None, init=False)
    """Made only while somebody waits in `wait_for`; then every call has to `tick` at its end."""
    _lists: Bell = attrs.field(factory=Bell, init=False)
    """Wakes the supervisor, who waits for stale lists all the time; calls say nothing about these."""

    @property
    def labels(self) -> dict[str, str]:
        """Which link of which backend it is, for the log."""
        return {"backend": self.name} | ({"client": self.client} if self.client else {})

    @property
    def serves(self) -> bool:
        """Whether it can be sent a call; a session that has just been lost is there for a moment longer."""
        return self.session is not None and self.session.is_open

    @property
    def comes_back(self) -> bool:
        """Whether there is no session to send a call on, and one is about to be opened: it was lost or begun not long ago."""
        if self.serves:
            return False
        is_starting = self.state in (State.STARTING, State.RESTARTING) and trio.current_time() < self.down_since + LONGEST_RESTART
        return self.state is State.READY or is_starting

    @property
    def is_available(self) -> bool:
        """Whether it makes sense to send a call right now: it is up, and not found to be unhealthy."""
        return self.session is not None and (self.health is None or self.health.is_healthy)

    @property
    def is_healthy(self) -> bool | None:
        """What is thought of it; None where nobody asked for that."""
        return None if self.health is None else self.health.is_healthy

    @property
    def open_questions(self) -> int:
        """What it has asked, and has no answer to."""
        duplex = getattr(self.session, "duplex", None)
        return len(duplex.theirs.running) if isinstance(duplex, Duplex) else 0

    @property
    def unread(self) -> int | None:
        """Messages that wait until the other end reads; None where each has a way of its own."""
        return None if self._outbox is None else len(self._outbox)

    @property
    def unread_bytes(self) -> int | None:
        """Of all of them together."""
        return None if self._outbox is None else self._outbox.size

    @property
    def _outbox(self) -> Outbox | None:
        outbox = getattr(self.session, "outbox", None)
        return outbox if isinstance(outbox, Outbox) else None

    def absence(self) -> faults.Fault:
        """Why there is no session, as a fault."""
        why = {
            State.STARTING: "it is still starting",
            State.STOPPED: "it has been removed",
            State.CRASH_LOOPING: "it keeps failing",
        }.get(self.state, "it is being restarted")
        return faults.unavailable(self.name, Why(self.told, self.error).after(why))

    # -- the supervisor's side

    def begin(self, session: BackendSession) -> None:
        """Calls go here from now on, to somebody who may know nothing of what was before; a client's own link says nothing about others."""
        self.session = session
        self._opens()

    def _opens(self) -> None:
        self.opened += 1
        if not self.client and self.opened > 1:
            self.changes.add()

    def enter(self, state: State, cause: Why) -> None:
        """Change the state and tell who listens."""
        cause = Why(cause.public, shown(cause.operator, self.blot))
        if state is self.state and cause.operator == self.error:
            return
        change = StateChange(self.name, self.state, state, cause.operator, trio.current_time())
        self.state, self.error, self.told, self.since = state, cause.operator, cause.public, change.at
        self.down_since = change.at if change.old is State.READY else self.down_since
        self.offer = None if state in GIVEN_UP else self.offer
        if state is State.STOPPED:
            self.watched.lose(self.absence())
        self.tick()
        self.on_change(change)

    def notification(self, method: str, params: Params) -> None:
        """What the backend says of its own accord (implements `Inbox`); a changed list is read again by the supervisor."""
        self.changes.heard(method, params)
        if method == UPDATED:
            self.watched.updated(params)
            return
        if method in _ABOUT_TASKS:
            self.on_task(method, params)
        if stale := {kind for kind in KINDS if kind.changed == method}:
            self.stale |= stale
            self._lists.ring()

    def renewed(self) -> None:
        """The backend has lost what it was told, and the session goes on."""
        self._opens()
        self.watched.forget()
        self.level.forget()

    # -- waiting

    def tick(self) -> None:
        """Have everybody look again who waits for something to become true."""
        if self.news is not None:
            self.news.set()
            self.news = None

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on state or calls in flight holds."""
        while not condition():
            if self.news is None:
                self.news = trio.Event()
            await self.news.wait()

    async def wait_stale(self) -> None:
        """Wait until there are stale lists; for the supervisor alone."""
        while not self.stale:
            await self._lists.wait()

    async def wait_ready(self) -> None:
        """Wait until it can be sent a call, is given up or removed, or has been away for `LONGEST_RESTART`."""
        begun = trio.current_time() if self.state is State.READY else self.down_since
        with trio.move_on_at(begun + LONGEST_RESTART):
            await self.wait_for(lambda: self.serves or self.state in GIVEN_UP)
        await trio.lowlevel.checkpoint()
