"""A session over a message channel that plays the injection of each attempt on the frames of its call."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from ...backends.channel import ChannelSession
from ...backends.session import Inbox
from ...channel.outbox import Frame, Outbox
from ...protocol.calls import Call, Reply
from ...protocol.messages import Request, Response, decode
from ...protocol.tokens import NOBODY, own_key
from ..answers import CANNED, canned, spoiled, unfold
from .child import FaultyChild
from .kinds import ChildExit, DeafChild, Drip, DropAnswer, Hang, Oversize, Refuse, Reorder, Reset, StderrFlood, Truncate
from .noise import noise_of
from .pending import take

__all__ = ["FaultyChannel"]

STANDING_IN = (Hang, Reset, *CANNED)
"""Injections with which the backend never hears of the request."""
CUT_OFF = "the connection ended in the middle of an answer"


@attrs.define(eq=False, repr=False)
class _Play:
    """One attempt, and what goes wrong with it."""

    call: Call
    number: int
    """The id of its request."""
    seconds: float
    fault: object
    """None if it only takes its time."""
    request: Request | None = None
    """Set when it has left, or was kept from leaving."""
    sent: trio.Event = attrs.field(factory=trio.Event)
    answer: bytes = b""
    answered: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False, repr=False)
class _Tap(Outbox):
    """An outbox from which some frames never leave."""

    stops: Callable[[Frame], bool] = attrs.field(default=lambda _letter: False, kw_only=True)

    def put(self, frame: Frame) -> None:
        """Add a message, unless it is stopped; it counts as sent then."""
        if self.stops(frame):
            frame.leave()
        else:
            super().put(frame)


@attrs.define(eq=False, repr=False)
class FaultyChannel(ChannelSession):
    """A `ChannelSession` on a bad channel."""

    child: FaultyChild | None = attrs.field(default=None, kw_only=True)
    """The process at the other end, where there is one."""
    _plays: dict[int, _Play] = attrs.field(factory=dict, init=False)
    """By the id of their request."""
    _next: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when an answer has passed."""
    _message: bytes = attrs.field(default=b"", init=False)
    """The last message, before it was put into the form in which it travels."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.outbox = _Tap(send_now=self.outbox.send_now, stops=self._stops)
        self.framed = self._noted(self.framed)

    async def request(self, call: Call) -> Reply:
        """Send the call and wait for its answer, as far as its injection lets it."""
        if self._closed.is_set() or self.outbox.is_full or (fault := take()) is None:
            return await super().request(call)
        seconds, after = unfold(fault)
        if isinstance(after, Refuse):
            self.close("the connection was refused")
            return await super().request(call)
        play = self._plays[self.duplex.ours.last + 1] = _Play(call, self.duplex.ours.last + 1, seconds, after)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._perform, play)
                reply = await super().request(call)
                nursery.cancel_scope.cancel()
        finally:
            del self._plays[play.number]
        return reply

    def _noted(self, framed: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        def noting(message: bytes) -> bytes:
            self._message = message
            return framed(message)

        return noting

    def _stops(self, frame: Frame) -> bool:
        """Called by the outbox while `request` runs; whether the frame is kept."""
        play = self._plays.get(self.duplex.ours.last)
        if play is None or frame.call is not play.call:
            return False
        request = decode(self._message)
        assert isinstance(request, Request)
        play.request = request
        play.sent.set()
        return isinstance(play.fault, STANDING_IN)

    def receive(self, data: bytes, about: int = NOBODY) -> None:
        """One message from the backend; an answer may be held back for what is to become of it."""
        message = decode(data) if self._plays else None
        play = self._plays.get(own_key(message.key)) if isinstance(message, Response) else None
        if play is None or play.answered.is_set():
            super().receive(data, about)
            if isinstance(message, Response):
                self._overtake()
        else:
            play.answer = data
            play.answered.set()

    def _pass(self, data: bytes) -> None:
        super().receive(data)
        self._overtake()

    def _overtake(self) -> None:
        self._next.set()
        self._next = trio.Event()

    async def _perform(self, play: _Play) -> None:
        await play.sent.wait()
        fault, child = play.fault, self.child
        if isinstance(fault, DeafChild) and child is not None:
            child.deafen()
        elif isinstance(fault, StderrFlood) and child is not None:
            child.flood(fault.size)
        if not isinstance(fault, (*STANDING_IN, ChildExit)):
            await play.answered.wait()
        await trio.sleep(play.seconds)
        assert play.request is not None
        if isinstance(fault, Oversize) and child is not None:  # it meets the reader of lines, who has a limit
            play.answered.set()
            child.say(canned(fault, play.request, play.number) + b"\n")
        elif isinstance(fault, CANNED):
            self._pass(canned(fault, play.request, play.number))
        elif isinstance(fault, Reset):
            self.close(fault.why)
        elif isinstance(fault, ChildExit) and child is not None:
            child.die(fault.code)
        elif not isinstance(fault, DropAnswer | Hang):
            for message in noise_of(fault, play.request):
                super().receive(message)
            await self._answer(play)

    async def _answer(self, play: _Play) -> None:
        """Deliver what the backend has answered, or what is left of it."""
        fault = play.fault
        if isinstance(fault, Reorder):
            overtaken = self._next
            with trio.move_on_after(fault.seconds):
                await overtaken.wait()
        elif isinstance(fault, Drip):
            await trio.sleep(fault.seconds * -(-len(play.answer) // max(1, fault.size)))
        for message in spoiled(fault, play.answer):
            self._pass(message)
        if isinstance(fault, Truncate):
            self.close(CUT_OFF)


def faulty_channel(children: dict[int, FaultyChild]) -> Callable[..., ChannelSession]:
    """Makes sessions, each with the process that it talks to."""

    def make(
        backend: str, inbox: Inbox, outbox: Outbox | None = None, pid: int | None = None, framed: Callable[[bytes], bytes] = bytes
    ) -> ChannelSession:
        return FaultyChannel(backend, inbox, outbox or Outbox(), pid, framed, child=None if pid is None else children.get(pid))

    return make
