"""A conversation in which both sides ask: what is open in each direction, and whose a message is. No I/O and no clock.

What we ask has numbers of our own, which are never used twice; what the other side asks keeps the id that it came with. How messages leave is
the side's business: over a pipe there is one way for all of them, over HTTP every request has its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

import attrs

from .errors import INVALID_REQUEST
from .fault import Fault
from .faults import client_mistake, overloaded
from .messages import Malformed, Message, Notification, Raw, Request, Response, read_id
from .tokens import own_key, own_number
from .why import Why

__all__ = ["CANCELLED", "PROGRESS", "Asked", "Duplex", "Incoming", "Outgoing", "Requests", "Running", "Side", "receive"]

CANCELLED, PROGRESS = "notifications/cancelled", "notifications/progress"

MOST_LATE = 256
"""Requests of ours whose answers may still come after nobody waits for them any more, and are no surprise then."""
NOTHING = Raw(b"")

A = TypeVar("A")
W = TypeVar("W")
A_co = TypeVar("A_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
W_contra = TypeVar("W_contra", contravariant=True)


class Asked(Protocol):
    """A request of ours that has no answer yet."""

    def lose(self, why: Why) -> None:
        """None will come: the conversation has ended."""
        ...


class Running(Protocol):
    """A request of the other side that has no answer yet."""

    def cancel(self) -> None:
        """Whoever asked does not want to know any more."""
        ...

    def abort(self, why: str) -> None:
        """The conversation ends."""
        ...


class Requests(Protocol[A_co]):
    """The requests of ours that a message may be about, which depends on the way on which it came."""

    def waiting(self, key: int | str | None) -> A_co | None:
        """The one that an answer with this id is for; an error about what could not be read has no id."""
        ...

    def reporting(self, number: int) -> A_co | None:
        """The one that was sent under this number, which is its progress token too."""
        ...


class Side(Protocol[A_contra, W_contra]):
    """What one side does with what the other one says. Nothing here may block."""

    def answered(self, request: A_contra, response: Response) -> None:
        """Here is the answer to what we asked."""
        ...

    def progressed(self, request: A_contra, note: Notification) -> None:
        """How far it is; the token is still our own."""
        ...

    def unclaimed(self, key: int | str | None) -> None:
        """An answer to nothing that is open."""
        ...

    def requested(self, request: Request, asked: Requests[A_contra], way: W_contra) -> None:
        """The other side asks."""
        ...

    def cancelled(self, key: int | str | None) -> None:
        """It takes back what it asked."""
        ...

    def notified(self, note: Notification, asked: Requests[A_contra], way: W_contra) -> None:
        """It says something else."""
        ...

    def garbled(self, message: Malformed, data: bytes | Raw, asked: Requests[A_contra], way: W_contra) -> None:
        """Something came that is no message."""
        ...


def receive(message: Message, data: bytes | Raw, side: Side[A, W], asked: Requests[A], way: W) -> None:
    """Give one message to whom it belongs: the same rules for both sides, and for every way on which messages come.

    Args:
        message: what came.
        data: the same as it came.
        side: to which it came.
        asked: those of its requests that the message may be about.
        way: where it came; it means something to the side alone.
    """
    if isinstance(message, Response):
        request = asked.waiting(message.key)
        if request is None:
            side.unclaimed(message.key)
        else:
            side.answered(request, message)
    elif isinstance(message, Request):
        side.requested(message, asked, way)
    elif isinstance(message, Malformed):
        side.garbled(message, data, asked, way)
    elif message.method == PROGRESS:
        request = asked.reporting(own_number(bytes(message.params.get("progressToken", NOTHING))))
        if request is not None:  # else it is late, or about nothing that we know
            side.progressed(request, message)
    elif message.method == CANCELLED:
        side.cancelled(read_id(bytes(message.params.get("requestId", NOTHING))))
    else:
        side.notified(message, asked, way)


AskedT = TypeVar("AskedT", bound=Asked)
RunningT = TypeVar("RunningT", bound=Running)


@attrs.define(eq=False, repr=False)
class Outgoing(Generic[AskedT]):
    """What we have asked (implements `Requests`)."""

    asked: dict[int, AskedT] = attrs.field(factory=dict, init=False)
    """By our numbers; whoever asks puts it in, and takes it out in the end."""
    last: int = attrs.field(default=0)
    """The number of our last request."""
    _late: deque[int] = attrs.field(factory=lambda: deque(maxlen=MOST_LATE), init=False)

    def count(self) -> int:
        """The number for our next request."""
        self.last = number = self.last + 1
        return number

    def give_up(self, number: int) -> None:
        """Nobody waits for this answer any more, and it may still come."""
        self._late.append(number)

    @property
    def expects_late(self) -> bool:
        """Whether answers may still come for which nobody waits."""
        return bool(self._late)

    def was_given_up(self, key: int | str | None) -> bool:
        """Whether an answer is to what nobody waits for any more; true once for each."""
        number = own_key(key)
        if number not in self._late:
            return False
        self._late.remove(number)
        return True

    def waiting(self, key: int | str | None) -> AskedT | None:
        """The one that an answer with this id is for."""
        return self.asked.get(own_key(key))

    def reporting(self, number: int) -> AskedT | None:
        """The same, by our own number."""
        return self.asked.get(number)


@attrs.define(eq=False, repr=False)
class Incoming(Generic[RunningT]):
    """What the other side has asked."""

    most: int
    """So many may be open."""
    holder: str = "session"
    """What they belong to, in words."""
    running: dict[int | str, RunningT] = attrs.field(factory=dict, init=False)
    """By the ids that it gave; whoever answers puts it in, and takes it out in the end."""

    def refusal(self, key: int | str, method: str, what: str) -> Fault | None:
        """Why there is no room for one more; ``what`` are they, in words."""
        if key in self.running:
            return self.duplicate()
        if len(self.running) >= self.most:
            return overloaded(method, f"this {self.holder} has {len(self.running)} open {what}")
        return None

    def duplicate(self) -> Fault:
        """What is said of an id that is in use."""
        return client_mistake(f"a request with this id is still open in this {self.holder}", code=INVALID_REQUEST, reason="duplicate_id")

    def cancel(self, key: int | str | None) -> None:
        """The other side takes one back; what is not open was answered already, or never came."""
        if key is not None and (running := self.running.get(key)) is not None:
            running.cancel()


@attrs.define(eq=False, repr=False)
class Duplex(Generic[AskedT, RunningT]):
    """One conversation: what is open in each direction, until it ends."""

    theirs: Incoming[RunningT]
    ours: Outgoing[AskedT] = attrs.field(factory=Outgoing)
    why: Why | None = attrs.field(default=None, init=False)
    """Why it has ended; None while it goes on."""

    def close(self, why: Why) -> list[Callable[[], None]]:
        """Nothing more goes either way. What is to be done about each thing that is open; nothing the second time."""
        if self.why is not None:
            return []
        self.why = why
        return [
            *(partial(running.abort, why.public) for running in self.theirs.running.values()),
            *(partial(asked.lose, why) for asked in self.ours.asked.values()),
        ]
