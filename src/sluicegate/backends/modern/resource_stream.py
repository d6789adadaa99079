"""Telling a backend without sessions what of its resources is wanted: one stream is asked for all of them (P-68, P-113, P-114).

What a stream is asked for cannot be changed. So when something else is wanted another one is opened, and the older ends once the newer is
acknowledged: what changes in between is told on both, and told on once.
"""

from __future__ import annotations

import attrs
import msgspec
import trio

from ...protocol import faults
from ...protocol.back import SILENT
from ...protocol.calls import Call
from ...protocol.messages import EMPTY, Malformed, Notification, Raw, decode, decode_object, encode
from ...protocol.offers import Hello
from ...protocol.question import Question
from ...protocol.subscription import LISTEN, is_subscribable
from ...protocol.why import Why
from ..doubling import doubled
from ..session import BackendSession
from ..subscribing import ANSWER_SECONDS, no_subscriptions
from ..watched import WatchedResources

__all__ = ["ResourceStreams"]

GATHER_SECONDS = 0.05
"""Several who subscribe together make one stream."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Before a stream that was lost, or did not come about, is opened again."""
STEADY_SECONDS = 10.0
"""A stream that was open for so long has not been refused."""


@attrs.define(eq=False)
class _Stream:
    """One such request (implements `Back` for its call)."""

    session: BackendSession
    backend: str
    watched: WatchedResources
    uris: frozenset[str] = frozenset()
    honoured: frozenset[str] | None = attrs.field(default=None, init=False)
    """None until it is acknowledged."""
    fault: faults.Fault | None = attrs.field(default=None, init=False)
    """Why it is over; None while it is open."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    known: trio.Event = attrs.field(factory=trio.Event, init=False)
    """It is acknowledged, or over."""
    began: float = attrs.field(factory=trio.current_time, init=False)

    async def run(self) -> None:
        """Keep it open."""
        wishes = {"resourceSubscriptions": sorted(self.uris)}
        try:
            with self.scope:
                reply = await self.session.request(Call(LISTEN, LISTEN, {"notifications": Raw(encode(wishes))}, back=self))
                self.fault = reply.fault or faults.lost(self.backend, Why("it ended its stream"))
        finally:
            self.fault = self.fault or faults.cancelled("another one is open")
            self.known.set()
            self.watched.ring()

    def note(self, message: bytes) -> None:
        """What is honoured of the wishes is said first of all."""
        note = decode(message)
        if isinstance(note, Notification) and self.honoured is None:
            wishes = decode_object(note.params.get("notifications", EMPTY))
            self.honoured = frozenset() if isinstance(wishes, Malformed) else _texts(wishes.get("resourceSubscriptions"))
            self.known.set()

    def ask(self, question: Question) -> faults.Fault | None:
        """Nobody is there to be asked."""
        return SILENT.ask(question)

    def hold(self, question: Question) -> None:
        """Nothing is to be held."""


def _texts(raw: Raw | None) -> frozenset[str]:
    try:
        return frozenset() if raw is None else frozenset(msgspec.json.decode(raw, type=list[str]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()


@attrs.define(eq=False)
class ResourceStreams:
    """Keeps one session in line with what is wanted, until cancelled."""

    session: BackendSession
    backend: str
    watched: WatchedResources
    _current: _Stream | None = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)

    async def run(self, hello: Hello) -> None:
        """Have a stream open for what is wanted, as it comes to be."""
        watched = self.watched
        watched.forget()
        knows = is_subscribable(hello)
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    if not knows:
                        self._refuse(no_subscriptions(self.backend))
                    if self._current is not None and self._current.fault is not None:
                        await self._rest(steady=self._lost(self._current))
                    elif knows and self._wanted() != self._open_for():
                        await trio.sleep(GATHER_SECONDS)
                        await self._change(nursery)
                    else:
                        await watched.wait()
        finally:
            watched.forget()

    def _wanted(self) -> frozenset[str]:
        while self.watched.take_due() is not None:
            pass  # all of it is looked at here
        return frozenset(resource.uri for resource in self.watched if resource.wanted_by)

    def _open_for(self) -> frozenset[str]:
        return frozenset() if self._current is None else self._current.uris

    def _refuse(self, fault: faults.Fault) -> None:
        while (resource := self.watched.take_due()) is not None:
            resource.refuse(fault)

    def _lost(self, stream: _Stream) -> bool:
        """It is over, and not by us; whether it had been steady."""
        self._current = None
        self.watched.forget()
        return trio.current_time() - stream.began >= STEADY_SECONDS

    async def _rest(self, *, steady: bool = False) -> None:
        self._failures = 0 if steady else self._failures + 1
        await trio.sleep(doubled(FIRST_PAUSE, self._failures - 1 if self._failures else 0, LONGEST_PAUSE))

    async def _change(self, nursery: trio.Nursery) -> None:
        """Open a stream for what is wanted now, then end the one before."""
        old, wanted = self._current, self._wanted()
        if wanted:
            stream = _Stream(self.session, self.backend, self.watched, wanted)
            nursery.start_soon(stream.run)
            with trio.move_on_after(ANSWER_SECONDS):
                await stream.known.wait()
            if stream.honoured is None:
                await self._fail(stream)
                return
            self._current = stream
        else:
            self._current = None
        if old is not None:
            old.scope.cancel(reason="another one is open")
        self._settle(wanted, frozenset() if self._current is None else self._current.honoured or frozenset())

    async def _fail(self, stream: _Stream) -> None:
        """It did not come about: who waits for it is told why, and for the others it is tried again."""
        fault = stream.fault or faults.timed_out(LISTEN, ANSWER_SECONDS, backend=self.backend)
        stream.scope.cancel(reason="it is not acknowledged")
        if self.session.is_open:
            for resource in self.watched:
                if not resource.held:
                    resource.refuse(fault)
        await self._rest()

    def _settle(self, wanted: frozenset[str], honoured: frozenset[str]) -> None:
        not_honoured = faults.client_mistake(f"backend '{self.backend}' does not tell of this resource")
        for resource in self.watched:
            if resource.uri in honoured:
                if not resource.held:
                    resource.grant()
            elif resource.uri in wanted:
                resource.held = False
                resource.refuse(not_honoured)
            elif not resource.wanted_by:
                resource.held = False
            self.watched.look_at(resource)
