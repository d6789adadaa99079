"""One call for all who have asked for the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import attrs
import trio

from ..protocol import faults
from ..protocol.back import SILENT, Back
from ..protocol.calls import Call, Handler, Reply, Trail
from ..protocol.duplex import PROGRESS
from ..protocol.fault import Fault
from ..protocol.messages import Notification, Params, Raw, decode, encode, encode_notification
from ..protocol.question import Question
from ..protocol.tokens import progress_token, wanted_token
from ..telling.loggers import get_logger

__all__ = ["Flight", "FlightKey", "own_call"]

log = get_logger("sluicegate.coalesce")

FlightKey: TypeAlias = tuple[bytes, str, str, str, str]
"""What all requests have in common that one call is for: that of their parameters, and what else there is."""
JOINABLE = 0.5
"""Of the time that the first one has: who comes later would be given less than that of it, and nothing at all where the call hangs."""
_ENDED = "the gateway is going down"


class Waiter(Protocol):
    """One of those whose call it is."""

    @property
    def token(self) -> bytes:
        """Under which he wants to hear how far it is; empty where he does not."""
        ...

    @property
    def back(self) -> Back:
        """The way to his caller."""
        ...

    def land(self, reply: Reply) -> None:
        """It is over. Must not wait for anything, nor raise."""
        ...


@attrs.frozen(eq=False, repr=False)
class _Waiter:
    """One who waits in a task."""

    back: Back
    token: bytes
    ended: trio.Event = attrs.field(factory=trio.Event, init=False)

    def land(self, reply: Reply) -> None:
        """Wake him; he finds it there."""
        del reply
        self.ended.set()


def own_call(first: Call, params: Params) -> Call:
    """A call with a life and a trail of its own, at the expense of the one that begins it."""
    trail = first.trail
    own = Trail(ends_at=trail.ends_at, allowed=trail.allowed, mirrored=trail.mirrored, last_resort=trail.last_resort)
    own.elsewhere, own.allowance, own.written = trail.elsewhere, trail.allowance, trail.written
    return Call(first.method, first.target, params, first.caller, trail=own)


@attrs.define(eq=False, repr=False)
class Flight:
    """A call that belongs to all who wait for it (implements `Back`, towards all of them)."""

    key: FlightKey
    """Of all requests that it is for."""
    backend: str
    call: Call
    """Made for it, see `own_call`."""
    since: tuple[int, int]
    """What had changed when it began, counted."""
    on_empty: Callable[[Flight], None]
    """Has nobody come any more, because all have left before its end."""
    nursery: trio.Nursery
    """In which it flies."""
    began: float
    _waiters: dict[Waiter, None] = attrs.field(factory=dict, init=False)
    _reply: Reply | None = attrs.field(default=None, init=False)
    _is_over: bool = attrs.field(default=False, init=False)
    _closes_at: float = attrs.field(init=False)
    """Until when it can be joined."""
    _is_accounted_for: bool = attrs.field(default=False, init=False)
    """Whether the attempts have been told to somebody's call: they are counted once."""
    _token: bytes = attrs.field(init=False)

    @_closes_at.default
    def _close(self) -> float:
        return self.began + JOINABLE * (self.call.trail.ends_at - self.began)

    @_token.default
    def _own_token(self) -> bytes:
        return wanted_token(self.call.params)

    def is_open(self, now: float) -> bool:
        """Whether somebody more can wait for it."""
        return not self._is_over and not self.call.trail.asked and now < self._closes_at

    async def run(self, handler: Handler) -> None:
        """Fly; a task of its own, which nothing raises from."""
        call = self.call
        call.back = self
        try:
            with call.scope:
                self._reply = await handler(call)
        except Exception as error:  # a bug costs those who wait, and not the nursery with all other work
            log.exception("a bug cost a call that several may wait for", method=call.method, target=call.target, error=repr(error))
            self._reply = Reply.failed(faults.bug(call.target))
        finally:
            call.back = SILENT  # a circle, as in `Exchange`
            self._is_over = True
            reply = self.reply
            for waiter in tuple(self._waiters):
                waiter.land(reply)

    @property
    def reply(self) -> Reply:
        """What became of it, once it is over."""
        return Reply.failed(faults.cancelled(_ENDED)) if self._reply is None else self._reply

    async def wait(self, call: Call) -> Reply:
        """Its answer, for one more call that has a task."""
        waiter = _Waiter(call.back, wanted_token(call.params))
        self.take(waiter, call.trail)
        try:
            await waiter.ended.wait()
        finally:
            self.leave(waiter, call)
        return self.reply

    def take(self, waiter: Waiter, trail: Trail) -> None:
        """Have one more wait for it."""
        self._waiters[waiter] = None
        own = self.call.trail
        if trail.ends_at > own.ends_at:
            own.ends_at, own.allowed = trail.ends_at, trail.allowed  # its scope needs none: who is out of time leaves

    def leave(self, waiter: Waiter, call: Call) -> None:
        """Have one wait no more, and tell his call what became of it; the last one who leaves before its end ends it."""
        del self._waiters[waiter]
        if not self._waiters and not self._is_over:
            self.on_empty(self)
            self.call.scope.cancel(reason="nobody waits for it any more")
        self._tell(call.trail, counts=self._is_over or not self._waiters)
        call.sent_at = self.call.sent_at

    def _tell(self, trail: Trail, *, counts: bool) -> None:
        """What became of it, to the call of somebody who leaves; its attempts to one of those that count."""
        own = self.call.trail
        trail.sent |= own.sent
        trail.mirrored |= own.mirrored
        trail.asked |= own.asked
        if counts and not self._is_accounted_for:
            self._is_accounted_for = True
            trail.hops += own.hops
        trail.be_given(self.backend)

    # -- what is said about it

    def note(self, message: bytes) -> None:
        """Pass on progress or a log line, to each under its own token."""
        for waiter in tuple(self._waiters):
            waiter.back.note(message if waiter.token == self._token else _under(message, waiter.token))

    def ask(self, question: Question) -> Fault | None:
        """Ask one of them: only where all are the same client anything is asked on a session that is shared."""
        for waiter in self._waiters:
            fault = waiter.back.ask(question)
            if fault is None:
                self.call.trail.asked = True
            return fault
        return faults.cannot_ask()

    def hold(self, question: Question) -> None:
        """It may be about this call."""
        self.call.trail.asked = True
        for waiter in self._waiters:
            waiter.back.hold(question)


def _under(message: bytes, token: bytes) -> bytes:
    """The same note under another progress token."""
    note = decode(message)
    if not isinstance(note, Notification):
        return message
    params, own = note.params, Raw(token)
    if note.method == PROGRESS:
        return encode_notification(note.method, params | {"progressToken": own})
    meta, known = progress_token(params)
    if not bytes(known):
        return message
    return encode_notification(note.method, params | {"_meta": Raw(encode(meta | {"progressToken": own}))})
