"""Requests of revisions without a handshake on one pair of streams, among those of a session, if there is one (P-1, P-111, P-151)."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Caller
from ...protocol.duplex import CANCELLED, Incoming
from ...protocol.eras import ASSUMED, DISCOVER, MODERN
from ...protocol.errors import INVALID_REQUEST
from ...protocol.fault import Fault
from ...protocol.introduction import Introduction, names_version, read_introduction, unsupported
from ...protocol.messages import Message, Notification, Request, read_id
from ...protocol.parts import Parts
from ...routing.directory import ListChange
from ..batched import BatchAnswer
from ..endpoint import Endpoint
from ..exchange import Outlet
from ..large_lines import no_room
from ..owners import owner_key
from ..session_table import LARGE
from ..whose import Whose
from .listening_line import ListeningLine
from .lone_calls import Leave, LoneCalls, count_nothing
from .subscriptions import LISTEN

__all__ = ["LoneLines"]


def _stands_alone(message: Request, *, in_session: bool) -> bool:
    """Whether a request says of itself what it needs. Who has opened no session and asks what there is means such a revision, too."""
    return ("_meta" in message.params and names_version(message.params)) or (message.method == DISCOVER and not in_session)


@attrs.define(eq=False, repr=False)
class _Line:
    """One request that has no answer yet (implements `LoneOutlet`, and `Running`)."""

    lines: LoneLines
    request: Request
    introduction: Introduction
    size: int
    """Bytes of the line."""
    leave: Leave | None = attrs.field(default=None, init=False)

    def begin(self, request: Request) -> None:
        """There is one request, and no other may come this way."""

    def note(self, message: bytes) -> None:
        """Progress, or a log line if the request has asked for such."""
        if self.introduction.hears(message):
            self.lines.note(message)

    def ask(self, message: bytes) -> None:
        """Nobody is asked on this way."""

    def ends_with(self, fault: Fault | None) -> None:
        """It makes no difference here."""

    def reply(self, message: bytes | Parts | None) -> None:
        """The call is over, or its client is to come back to it."""
        del self.lines.open.running[self.request.key]
        self.lines.reply(message)

    def cancel(self) -> None:
        """Its client does not want it any more, and gets no answer."""
        if self.leave is not None:
            self.leave(has_it=True)

    def abort(self, why: str) -> None:
        """The client has gone."""
        del why
        self.cancel()


@attrs.define(eq=False, repr=False)
class LoneLines:
    """Those of one client."""

    endpoint: Endpoint
    outlet: Outlet
    """The way of all of them."""
    note: Callable[[bytes], None]
    """Writes one that may be dropped."""
    whose: Whose
    calls: LoneCalls = attrs.field(default=attrs.Factory(lambda self: LoneCalls(self.endpoint), takes_self=True), init=False)
    open: Incoming[_Line | ListeningLine] = attrs.field(
        default=attrs.Factory(lambda self: Incoming(self.endpoint.limits.max_calls_per_session, "connection"), takes_self=True), init=False
    )
    """Those that have no answer yet."""

    def reply(self, message: bytes | Parts | None) -> None:
        """The last message about a request; None is none."""
        self.outlet.reply(message)

    def takes(self, message: Message, others: Container[int | str], outlet: Outlet, size: int, *, in_session: bool) -> bool:
        """Whether a message is no session's; then it is dealt with. What takes a request back may be for either.

        Args:
            message: as it came.
            others: the requests of a session on the same streams that are open.
            outlet: on which way it came.
            size: bytes of the line with which it came.
            in_session: whether there is a session.
        """
        if isinstance(message, Request) and _stands_alone(message, in_session=in_session):
            self._take(message, others, outlet, size)
            return True
        if isinstance(message, Notification) and message.method == CANCELLED:
            self.open.cancel(read_id(bytes(message.params.get("requestId", b""))))
        return False

    def _take(self, request: Request, others: Container[int | str], outlet: Outlet, size: int) -> None:
        if isinstance(outlet, BatchAnswer):
            fault = faults.client_mistake("a request that names its revision in _meta comes alone, in no batch", code=INVALID_REQUEST)
            self._turn_away(request, fault, outlet)
            return
        said = read_introduction(request.params)
        if not isinstance(said, Fault):
            said = self._refusal(request, said, others) or said
        if isinstance(said, Fault):
            self._turn_away(request, said, self.outlet)
        else:
            self._begin(request, said, size)

    def _begin(self, request: Request, said: Introduction, size: int) -> None:
        if request.method == LISTEN:
            self._listen(request, said, size)
        else:
            line = self.open.running[request.key] = _Line(self, request, said, size)
            self._call(line)

    def _refusal(self, request: Request, said: Introduction, others: Container[int | str]) -> Fault | None:
        if said.version not in MODERN:
            return unsupported(said.version)
        return self.open.duplicate() if request.key in others else self.open.refusal(request.key, request.method, "requests")

    def refuses(self, request: Request, outlet: Outlet) -> bool:
        """Whether a request of a session has an id that is in use here; then it is told so."""
        if request.key not in self.open.running:
            return False
        self._turn_away(request, self.open.duplicate(), outlet)
        return True

    def _turn_away(self, request: Request, fault: Fault, outlet: Outlet) -> None:
        self.endpoint.door.turn_away(request, fault, outlet, Caller(ASSUMED, principal=self.whose.principal))

    def _call(self, line: _Line) -> None:
        request, whose = line.request, self.whose
        call = self.calls.read(request, line.introduction, whose.principal, whose.network)
        if not isinstance(call, Fault) and line.size >= LARGE and not whose.may_hold(line.size):
            call = no_room(request)
        if isinstance(call, Fault):
            self._turn_away(request, call, line)
        else:
            when_over = partial(whose.let_go, line.size) if line.size >= LARGE else count_nothing
            line.leave = self.calls.start(request, call, line, when_over=when_over, answers_cancelled=False)

    # -- what changes

    def hear(self, change: ListChange) -> None:
        """Lists have changed."""
        for listening in self._listeners():
            listening.listener.hear(change.told_to(listening.caller))

    def wake(self) -> None:
        """Tell of it."""
        for listening in self._listeners():
            listening.wake()

    def _listeners(self) -> list[ListeningLine]:
        return [line for line in self.open.running.values() if isinstance(line, ListeningLine)]

    def _listen(self, request: Request, said: Introduction, size: int) -> None:
        whose = self.whose
        if size >= LARGE and not whose.may_hold(size):
            self._turn_away(request, no_room(request), self.outlet)
            return
        home = self.calls.home_for(said, whose.principal, whose.network)
        caller = Caller(said.version, said.capabilities, whose.principal, home=home)
        owner = owner_key(whose.principal.key, whose.network)
        listening = ListeningLine(self.endpoint, request, said, caller, owner, self.note)
        self.open.running[request.key] = listening
        self.endpoint.calls.start_soon(self._keep_open, listening, size)

    async def _keep_open(self, listening: ListeningLine, size: int) -> None:
        last: bytes | None = None
        began = trio.current_time()
        try:
            last = await listening.run()
        finally:
            self.endpoint.door.tell_of_stream(listening.request, listening.caller, began, listening.fault)
            del self.open.running[listening.request.key]
            if size >= LARGE:
                self.whose.let_go(size)
            self.reply(last)

    # -- the end

    @property
    def is_busy(self) -> bool:
        """Whether something has no answer yet."""
        return bool(self.open.running)

    def go_deaf(self, why: str) -> None:
        """The client says no more: what it could come back to ends, and so does what goes on without end."""
        self.endpoint.parking.close(why, self.calls.front)
        for listening in self._listeners():
            listening.hang_up()

    def end(self, why: str) -> None:
        """End all that is open."""
        for line in list(self.open.running.values()):
            line.abort(why)
