"""One request for a stream on which a backend without sessions tells when resources change (P-113)."""

from __future__ import annotations

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Call
from ...protocol.messages import Params, Raw, encode
from ...protocol.subscription import LISTEN
from ...protocol.why import Why
from ..session import BackendSession
from ..subscribing import ANSWER_SECONDS
from ..watched import WatchedResources
from .acknowledgement import Acknowledgement
from .texts import read_texts

__all__ = ["ResourceStream"]


@attrs.define(eq=False, repr=False)
class ResourceStream:
    """What it is asked for cannot be changed."""

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
        wishes = {"notifications": Raw(encode({"resourceSubscriptions": sorted(self.uris)}))}
        try:
            with self._scope:
                reply = await self.session.request(Call(LISTEN, LISTEN, wishes, back=Acknowledgement(self._honour)))
                self.fault = reply.fault or faults.lost(self.backend, Why("it ended its stream"))
        finally:
            self.fault = self.fault or faults.cancelled("another one is open")
            self._known.set()
            self.watched.ring()

    def _honour(self, wishes: Params) -> None:
        if self.honoured is None:
            self.honoured = self.uris.intersection(read_texts(wishes.get("resourceSubscriptions")))
            self._known.set()
