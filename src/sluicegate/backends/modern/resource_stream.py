"""One request for a stream on which a backend without sessions tells when resources change (P-113)."""

from __future__ import annotations

import attrs
import trio

from ...protocol import faults
from ...protocol.back import SILENT
from ...protocol.calls import Call
from ...protocol.messages import EMPTY, Malformed, Notification, Raw, decode, decode_object, encode
from ...protocol.question import Question
from ...protocol.subscription import LISTEN
from ...protocol.why import Why
from ..session import BackendSession
from ..subscribing import ANSWER_SECONDS
from ..watched import WatchedResources
from .texts import read_texts

__all__ = ["ResourceStream"]


@attrs.define(eq=False)
class ResourceStream:
    """What it is asked for cannot be changed (implements `Back` for its call)."""

    session: BackendSession
    backend: str
    watched: WatchedResources
    uris: frozenset[str]
    honoured: frozenset[str] | None = attrs.field(default=None, init=False)
    """Those of them of which it tells; None until it is acknowledged."""
    fault: faults.Fault | None = attrs.field(default=None, init=False)
    """Why it is over, or did not come about; None while it is open."""
    began: float = attrs.field(factory=trio.current_time, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _known: trio.Event = attrs.field(factory=trio.Event, init=False)
    """It is acknowledged, or over."""

    async def open(self, nursery: trio.Nursery) -> None:
        """Keep it open in a task of its own; returns once it is acknowledged, or has a fault."""
        nursery.start_soon(self._run)
        with trio.move_on_after(ANSWER_SECONDS):
            await self._known.wait()
        if self.honoured is None:
            self.fault = self.fault or faults.timed_out(LISTEN, ANSWER_SECONDS, backend=self.backend)
            self.end("it is not acknowledged")

    def end(self, why: str) -> None:
        """It is not needed any more; sync."""
        self._scope.cancel(reason=why)

    async def _run(self) -> None:
        wishes = {"resourceSubscriptions": sorted(self.uris)}
        try:
            with self._scope:
                reply = await self.session.request(Call(LISTEN, LISTEN, {"notifications": Raw(encode(wishes))}, back=self))
                self.fault = reply.fault or faults.lost(self.backend, Why("it ended its stream"))
        finally:
            self.fault = self.fault or faults.cancelled("another one is open")
            self._known.set()
            self.watched.ring()

    def note(self, message: bytes) -> None:
        """What is honoured of the wishes is said first of all."""
        note = decode(message)
        if isinstance(note, Notification) and self.honoured is None:
            wishes = decode_object(note.params.get("notifications", EMPTY))
            told = [] if isinstance(wishes, Malformed) else read_texts(wishes.get("resourceSubscriptions"))
            self.honoured = self.uris.intersection(told)
            self._known.set()

    def ask(self, question: Question) -> faults.Fault | None:
        """Nobody is there to be asked."""
        return SILENT.ask(question)

    def hold(self, question: Question) -> None:
        """Nothing is to be held."""
