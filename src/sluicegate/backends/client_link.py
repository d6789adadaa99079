"""A link that is for one client alone: from its first use until the client's session ends, or until it is not used any more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import trio

from ..protocol.back import Household
from ..protocol.calls import Call, Caller, Reply
from ..protocol.clientele import Clientele
from ..protocol.fault import Fault
from ..protocol.question import Question
from ..protocol.why import Why
from .link import GIVEN_UP, Link, State
from .supervisor import Supervisor
from .task_desk import TaskDesk

__all__ = ["ClientLink"]


@attrs.define(eq=False, repr=False)
class ClientLink:
    """Lives in its client's session (implements `Back` for what the backend says about none of its calls)."""

    caller: Caller
    home: Household
    make: Callable[[Clientele, str], Supervisor]
    """For which client, and what the log calls it."""
    idle_seconds: Callable[[], float]
    """How long it may be unused, as things are now."""
    on_leave: Callable[[ClientLink], None]
    """It takes no more calls; called once."""
    on_end: Callable[[ClientLink], None]
    """Nothing of it runs any more."""
    after: ClientLink | None = None
    """The one whose place it gets: it begins when that one has ended."""
    tasks: TaskDesk | None = None
    """Those that the backend runs for clients."""
    number: int = attrs.field(default=0, init=False)
    """Of the links of its backend that were ever opened."""
    is_promised: bool = attrs.field(default=False, init=False)
    """Its place is another's already."""
    is_leaving: bool = attrs.field(default=False, init=False)
    in_flight: int = attrs.field(default=0, init=False)
    """Calls that it is at, or that wait for it."""
    used_at: float = attrs.field(factory=trio.current_time, init=False)
    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    supervisor: Supervisor = attrs.field(
        default=attrs.Factory(
            lambda self: self.make(Clientele.of(self.caller.capabilities, self, self.caller.principal), self.caller.session[:8]),
            takes_self=True,
        ),
        init=False,
    )
    _waiting: dict[Call, None] = attrs.field(factory=dict, init=False)
    """Calls that wait for it to come up, oldest first."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        self.link.level.clients = self.home.levels
        if self.tasks is not None:
            self.link.on_task = partial(self.tasks.tell_alone, self.caller, self.home)

    @property
    def link(self) -> Link:
        """How it is."""
        return self.supervisor.link

    @property
    def is_used(self) -> bool:
        """Whether its client needs it now: for a call, or to hear of resources."""
        return bool(self.in_flight or len(self.link.watched))

    # -- its life

    async def run(self) -> None:
        """Keep it until it is to leave, or was not used for too long; a task in its client's session."""
        try:
            with self._scope:
                if self.after is not None:
                    await self.after.ended.wait()
                    self.after = None
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.supervisor.run)
                    await self._be_unused()
                    self.leave()
        finally:
            self.leave()
            self.link.enter(State.STOPPED, Why(""))  # also where its supervisor has not begun: there may be calls that wait for it
            self.ended.set()
            self.on_end(self)

    async def _be_unused(self) -> None:
        """Return when nobody has used it for so long."""
        while self.is_used or trio.current_time() < self.used_at + self.idle_seconds():
            if self.is_used:
                self.used_at = max(self.used_at, trio.current_time())
            await trio.sleep_until(self.used_at + self.idle_seconds())

    def leave(self) -> None:
        """Take no more calls and end, with those that are on it; sync."""
        if not self.is_leaving:
            self.is_leaving = True
            self.on_leave(self)
            self._scope.cancel(reason="the link is left")

    # -- its calls

    async def request(self, call: Call) -> Reply:
        """Send a call on it, as soon as it is up; not later than it has failed to come up once."""
        self.in_flight += 1
        try:
            session = self.link.session
            if session is None:
                await self.come_up(call)
                session = self.link.session
            return Reply.failed(self.link.absence()) if session is None else await session.request(call)
        finally:
            self.in_flight -= 1
            self.used_at = max(self.used_at, trio.current_time())

    async def come_up(self, call: Call) -> None:
        """Wait until it is up, has failed once more, or will not come up; a call for whose sake it is opened is the way to its client meanwhile."""
        link = self.link
        lives = link.lives + (1 if link.state is State.READY else 0)  # that life is over, and has not been counted yet
        self._waiting[call] = None
        try:
            await trio.lowlevel.checkpoint()
            await link.wait_for(lambda: link.serves or link.lives > lives or link.state in GIVEN_UP)
        finally:
            del self._waiting[call]

    # -- what the backend says about none of its calls

    def note(self, message: bytes) -> None:
        """Pass on a log line."""
        self.home.note(message)

    def ask(self, question: Question) -> Fault | None:
        """Ask the client: on the way of a call that waits for the link, or of none."""
        for call in self._waiting:
            if call.back.ask(question) is None:
                return None
        return (self.home if self.tasks is None else self.tasks.way_for(self.caller, self.home)).ask(question)

    def hold(self, question: Question) -> None:
        """Nothing is to be held."""
