"""Where what is kept for one client alone lives: in tasks of its session, which end with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ..protocol import faults
from ..protocol.fault import Fault
from ..protocol.log_wishes import LogWishes
from ..protocol.principal import Principal
from ..protocol.question import Question
from .exchange import Asker, Outlet
from .subscribed import Subscribed, Subscriptions
from .untold import Untold

__all__ = ["ClientHome"]

LINGER_SECONDS = 0.1
Resident = Callable[[], Awaitable[None]]


@attrs.define(eq=False, repr=False)
class ClientHome:
    """One for each session (implements `Household`). It has a nursery only while something lives in it."""

    owner: tuple[str, str]
    sessions: trio.Nursery
    """Where its own nursery lives."""
    register: Subscriptions
    """Where resources are that a client can subscribe to, and how many have."""
    everybody: LogWishes | None = None
    """What all clients with a session want to hear of the log; None where it is no session."""
    level: str | None = None
    """From which level on this one wants to hear of it; None until it says so."""
    wanted: int = attrs.field(default=0, init=False)
    """How often it has said so."""
    changes: Untold = attrs.field(factory=Untold, init=False)
    """What the client is to be told."""
    _asker: Asker | None = attrs.field(default=None, init=False)
    _outlet: Outlet | None = attrs.field(default=None, init=False)
    """The way to the client for what is about none of its calls."""
    _wake: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    """Has its client told of changes."""
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    _scope: trio.CancelScope | None = attrs.field(default=None, init=False)
    _arriving: tuple[Resident, ...] = attrs.field(default=(), init=False)
    """Those for whom the nursery is about to be opened."""
    _residents: int = attrs.field(default=0, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _levels: LogWishes | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if self.everybody is not None:
            self.everybody.add(self.level)

    def lead(self, asker: Asker, outlet: Outlet, wake: Callable[[], None]) -> None:
        """This is the way to the client."""
        self._asker, self._outlet, self._wake = asker, outlet, wake

    @property
    def subscribed(self) -> Subscribed:
        """What the client is subscribed to."""
        if self.changes.subscribed is None:
            self.changes.subscribed = Subscribed(self.register, self.owner, self._wake)
        return self.changes.subscribed

    @property
    def levels(self) -> LogWishes:
        """What it wants to hear of the log, for links of its own; made for those who have one."""
        if self._levels is None:
            self._levels = LogWishes()
            self._levels.add(self.level)
        return self._levels

    def judge_by(self, principal: Principal) -> None:
        """What its client may do has changed, so it hears no more of what it may not see, and of lists that look different to it; sync."""
        if self.changes.subscribed is not None:
            self.changes.subscribed.judge_by(principal)
        if self.changes:
            self._wake()

    def want(self, level: str | None) -> None:
        """From now on the client wants to hear of the log from that level on, or has no wish; sync."""
        if self._ended:
            return
        for wishes in (self.everybody, self._levels):
            if wishes is not None:
                wishes.add(level)
                wishes.discard(self.level)
        self.level = level
        self.wanted += 1

    def keep(self, resident: Resident) -> bool:
        """Run something until it has ended or the session does."""
        if self._ended:
            return False
        self._residents += 1
        if self._nursery is not None:
            self._nursery.start_soon(self._reside, resident)
            return True
        self._arriving += (resident,)
        if self._scope is None:
            self._scope = trio.CancelScope()
            self.sessions.start_soon(self._run, self._scope)
        return True

    def end(self) -> None:
        """The session has ended: what lives here has to end, and nobody comes any more; sync."""
        if self.everybody is not None and not self._ended:
            self.everybody.discard(self.level)
        self._ended = True
        self._asker = self._outlet = None  # opens a circle: the session leads here, too
        self._wake = lambda: None
        if self.changes.subscribed is not None:
            self.changes.subscribed.end()
        if self._scope is not None:
            self._scope.cancel(reason="the client's session has ended")

    def end_soon(self) -> None:
        """The same, once what is on its way to a backend has had the time to leave; sync."""
        if self._nursery is None:
            self.end()
        else:
            self.keep(self._linger)

    async def _linger(self) -> None:
        await trio.sleep(LINGER_SECONDS)
        self.end()

    async def _run(self, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as self._nursery:
                arriving, self._arriving = self._arriving, ()
                for resident in arriving:
                    self._nursery.start_soon(self._reside, resident)

    async def _reside(self, resident: Resident) -> None:
        try:
            await resident()
        finally:
            self._residents -= 1
            if not self._residents:  # the nursery closes with its last task, and takes nobody in from here on
                self._nursery = self._scope = None

    # -- what is said to the client about none of its calls

    def note(self, message: bytes) -> None:
        """Pass on a log line."""
        if self._outlet is not None:
            self._outlet.note(message)

    def ask(self, question: Question) -> Fault | None:
        """Pass a question on."""
        if self._asker is None or self._outlet is None:
            return faults.cannot_ask("its client's session has ended")
        return self._asker.ask(question, self._outlet)

    def hold(self, question: Question) -> None:
        """Nothing is to be held."""
