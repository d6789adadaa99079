"""The gateway as one server on a pair of streams, a message a line: stdio, and what behaves as it does (`carried`)."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from ..channel.lines import Oversized, as_line
from ..channel.outbox import Frame, Outbox
from ..channel.oversized import refuse_oversized
from ..channel.reading import read_lines
from ..protocol.batches import is_batch
from ..protocol.calls import Caller
from ..protocol.eras import ASSUMED, OPENS
from ..protocol.errors import INVALID_REQUEST
from ..protocol.faults import Fault, client_mistake
from ..protocol.messages import Malformed, Message, Notification, Request, decode
from ..protocol.parts import Parts
from ..routing.directory import ListChange
from ..waiting.bell import Bell
from .batched import BatchAnswer, messages_of
from .carried.session_places import OwnPlace, SessionPlaces
from .endpoint import Endpoint, read_opening
from .exchange import Outlet
from .large_lines import way_of
from .modern.lone_lines import LoneLines
from .owners import NoPlace
from .sessions import Session

__all__ = ["serve_stdio"]

DRAIN_SECONDS = 5.0
"""How long open calls may go on when the input has ended."""
FAREWELL_SECONDS, DEBOUNCE_SECONDS = 1.0, 0.1
SAYS_NO_MORE = "the client says no more"
MOST_NOTES, MOST_WAITING_BYTES = 256, 4 * 1024 * 1024
"""While more than that waits for the client to read, we read nothing more from it."""


async def serve_stdio(
    endpoint: Endpoint,
    stdin: trio.abc.ReceiveStream,
    stdout: trio.abc.SendStream,
    *,
    drain_seconds: float = DRAIN_SECONDS,
    places: SessionPlaces | None = None,
) -> None:
    """Serve one client until its input ends, its output breaks, or this is cancelled; open calls get a bounded time to end."""
    front = _Front(endpoint, places or OwnPlace(endpoint))
    unsubscribe = front.places.subscribe(front.hear, front.wake)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(front.write, stdout, nursery.cancel_scope)
            nursery.start_soon(front.tell_changes)
            try:
                await front.read(stdin)
            finally:
                await front.say_goodbye(drain_seconds)
                nursery.cancel_scope.cancel(reason="the client has gone")
    finally:
        unsubscribe()


@attrs.define(eq=False, repr=False)
class _Front:
    """The one connection (implements `Outlet`)."""

    endpoint: Endpoint
    places: SessionPlaces = attrs.field(default=attrs.Factory(lambda self: OwnPlace(self.endpoint), takes_self=True))
    session: Session = attrs.field(init=False)
    lone: LoneLines = attrs.field(init=False)
    """Requests that belong to no session."""
    gone: bool = attrs.field(default=False, init=False)
    """The client reads no more."""
    _deaf: bool = attrs.field(default=False, init=False)
    """The client says no more."""
    _outbox: Outbox = attrs.field(init=False)
    _written: Bell = attrs.field(factory=Bell, init=False)
    """Wakes who waits for room, or for the end of calls: the one task that reads, and says goodbye."""
    _changed: Bell = attrs.field(factory=Bell, init=False)
    """Wakes who tells of changed lists."""
    _has_changed: bool = attrs.field(default=False, init=False)
    """There may be some to tell of."""
    _shelter: trio.CancelScope = attrs.field(factory=lambda: trio.CancelScope(shield=True), init=False)
    """The writer works on while open calls end."""

    def __attrs_post_init__(self) -> None:
        self._outbox = Outbox(MOST_NOTES, MOST_WAITING_BYTES, on_written=self._written.ring)
        self.session = self._unopened()
        self.lone = LoneLines(self.endpoint, self, self._note, self.places)

    def _unopened(self) -> Session:
        """What is said outside of any session is said in this one."""
        return Session(Caller(ASSUMED, {}, self.places.principal), self.endpoint.limits, opened=False, declares=self.endpoint.declares)

    def note(self, message: bytes) -> None:
        """Pass on progress or a log line; dropped if the client does not keep up."""
        if self.session.hears(message):
            self._note(message)

    def _note(self, message: bytes) -> None:
        if not self._outbox.is_full:
            self._put(message)

    def ask(self, message: bytes) -> Callable[[], None] | None:
        """Ask the client, if it still answers, and reads."""
        if self._deaf or self.gone or self._outbox.is_full:
            return None
        self._put(message)
        return lambda: None  # nobody keeps a line that was written

    def reply(self, message: bytes | Parts | None) -> None:
        """Pass on the end of a call."""
        if message is not None:
            self._put(bytes(message))
        self._written.ring()

    def _put(self, message: bytes) -> None:
        self._outbox.put(Frame(as_line(message)))

    async def write(self, stdout: trio.abc.SendStream, everything: trio.CancelScope) -> None:
        """The one writer."""
        self._outbox.send_now = getattr(stdout, "send_now", None)
        with self._shelter:
            try:
                while (frame := await self._outbox.next_frame()) is not None:
                    await stdout.send_all(frame)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.gone = True
                self._written.ring()
                everything.cancel(reason="the client reads no more")

    def hear(self, change: ListChange) -> None:
        """Lists changed."""
        self.session.changes.add(change.told_to(self.session.caller))
        self.lone.hear(change)

    def wake(self) -> None:
        """Tell of it soon."""
        self._look_for_changes()
        self.lone.wake()

    def _look_for_changes(self) -> None:
        self._has_changed = True
        self._changed.ring()

    async def tell_changes(self) -> None:
        """Tell the client of changed lists, several changes at once."""
        while True:
            while not self._has_changed:
                await self._changed.wait()
            await trio.sleep(DEBOUNCE_SECONDS)
            self._has_changed = False
            if self.session.may_be_told:
                changes = self.session.changes.messages()
                for message in [change for change in changes if not self._outbox.holds(as_line(change))]:  # not twice before it is read
                    self._put(message)

    async def read(self, stdin: trio.abc.ReceiveStream) -> None:
        """Read until the input ends. While much waits for the client to read, nothing more is read from it."""
        await read_lines(stdin, self.endpoint.limits.max_body_size, self._take, self._has_room)

    async def _has_room(self) -> None:
        await self.endpoint.door.opens()
        await self._wait_until(lambda: self._outbox.size <= MOST_WAITING_BYTES)

    def _take(self, line: bytes | Oversized) -> None:
        if self.places.principal is not self.session.caller.principal:
            self.session.meet(self.places.principal)
        if isinstance(line, Oversized):
            self.endpoint.door.tell_of_garbled(None, self.session.caller)
            self._put(refuse_oversized(line, self.endpoint.limits.max_body_size))
        elif is_batch(line):
            self._take_batch(line)
        elif line.strip():
            self._handle(decode(line), way_of(self, self.places, len(line)), len(line))

    def _take_batch(self, line: bytes) -> None:
        messages = messages_of(line, self.session.version)
        if isinstance(messages, Malformed):
            self._handle(messages, self, len(line))
            return
        batch = BatchAnswer(way_of(self, self.places, len(line)), sum(isinstance(message, Request | Malformed) for message in messages))
        for message in messages:
            self._handle(message, batch, len(line))

    def _handle(self, message: Message, outlet: Outlet, size: int) -> None:
        if self.lone.takes(message, self.session.calls, outlet, size, in_session=self.session.opened):
            return
        if isinstance(message, Malformed):
            self.endpoint.door.tell_of_garbled(message, self.session.caller)
        self.session.receive(message, outlet)
        if isinstance(message, Notification) and self.session.changes:
            self._look_for_changes()

    def begin(self, request: Request) -> None:
        """Start one call."""
        self.start(request, self)

    def start(self, request: Request, outlet: Outlet) -> None:
        """Start one call, whose answer goes there."""
        if not self.lone.refuses(request, outlet) and (request.method not in OPENS or self._open(request, outlet)):
            self.session.start(request, outlet, self.endpoint, answers_cancelled=False)

    def refuse(self, request: Request, fault: Fault, outlet: Outlet) -> None:
        """Answer one that does not become a call."""
        self.endpoint.door.turn_away(request, fault, outlet, self.session.caller)

    def _open(self, request: Request, outlet: Outlet) -> bool:
        """The process is not the conversation (P-151): a client may begin anew. Who asks for what there is not goes on as before."""
        opening = read_opening(request.params)
        if isinstance(opening, Fault):
            self.refuse(request, opening, outlet)
            return False
        asked = self.session.duplex.ours.last  # an answer to what the last conversation has asked must not be one in this
        self.places.end(self.session)
        session = self.places.open(opening)
        if isinstance(session, NoPlace):
            self.session = self._unopened()
            self.refuse(request, client_mistake(session.message, code=INVALID_REQUEST), outlet)
            return False
        self.session = session
        if session.home is not None:
            session.home.lead(session, self, self._look_for_changes)
        self.session.duplex.ours.last = asked
        self.endpoint.opened(opening)
        return True

    async def say_goodbye(self, drain_seconds: float) -> None:
        """Give open calls some time, then end them; their replies still go out if the client takes them."""
        self._deaf, self.gone = True, self.gone or self.places.is_lost
        self.session.go_deaf(SAYS_NO_MORE)
        self.lone.go_deaf(SAYS_NO_MORE)
        with trio.move_on_after(drain_seconds, shield=True):
            await self._wait_until(lambda: not self._is_at_work)
        self.places.end(self.session)
        self.lone.end(SAYS_NO_MORE)
        with trio.move_on_after(FAREWELL_SECONDS, shield=True):
            await self._wait_until(lambda: not self._is_at_work and self._outbox.is_empty)
        self._shelter.cancel(reason="everything is said")

    @property
    def _is_at_work(self) -> bool:
        return bool(self.session.calls) or self.lone.is_busy

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self.gone:
            await self._written.wait()
