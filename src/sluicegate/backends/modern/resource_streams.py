"""Telling a backend without sessions what of its resources is wanted: one stream is asked for all of them (P-68, P-113, P-114).

What a stream is asked for cannot be changed. So when something else is wanted another one is opened, and the older ends once the newer is
acknowledged: what changes in between is told on both, and told on once.
"""

from __future__ import annotations

from functools import partial

import attrs
import trio

from ...protocol import faults
from ...protocol.offers import Hello
from ...protocol.subscription import is_subscribable
from ..doubling import doubled
from ..put_off import PutOff
from ..session import BackendSession
from ..subscribing import no_subscriptions
from ..watched import WatchedResources
from .resource_stream import ResourceStream
from .telling_apart import TellingApart

__all__ = ["ResourceStreams"]

GATHER_SECONDS = 0.05
"""Several who subscribe together make one stream."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Before a stream that was lost, or did not come about, is opened again."""
STEADY_SECONDS = 10.0
"""A stream that was open for so long has not been refused."""
_NONE: frozenset[str] = frozenset()


@attrs.define(eq=False, repr=False)
class ResourceStreams:
    """Keeps one session in line with what is wanted, until cancelled."""

    session: BackendSession
    backend: str
    watched: WatchedResources
    _current: ResourceStream | None = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    """Streams in a row that were lost, or did not come about."""
    _put_off: PutOff = attrs.field(default=attrs.Factory(lambda self: PutOff(self.backend, self.watched), takes_self=True), init=False)

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
                    elif knows and self._wanted() != self._told():
                        await trio.sleep(GATHER_SECONDS)
                        await self._change(nursery)
                    else:
                        await self._put_off.wait()
        finally:
            watched.forget()

    def _wanted(self) -> frozenset[str]:
        while self.watched.take_due() is not None:
            pass  # all of it is looked at here
        return frozenset(resource.uri for resource in self.watched if resource.wanted_by and not resource.refused)

    def _told(self) -> frozenset[str]:
        """What the backend tells of now."""
        return _NONE if self._current is None else self._current.honoured or _NONE

    def _refuse(self, fault: faults.Fault) -> None:
        while (resource := self.watched.take_due()) is not None:
            resource.refuse(fault)

    def _lost(self, stream: ResourceStream) -> bool:
        """It is over, and not by us; whether it had been steady."""
        self._current = None
        self.watched.forget()
        return trio.current_time() - stream.began >= STEADY_SECONDS

    async def _rest(self, *, steady: bool = False) -> None:
        """Leave the backend in peace for a while, or until somebody asks who has no answer yet."""
        self._failures = 0 if steady else self._failures + 1
        with trio.move_on_after(doubled(FIRST_PAUSE, self._failures - 1 if self._failures else 0, LONGEST_PAUSE)):
            while not (self.session.is_open and self._is_anybody_new()):
                await self.watched.wait()

    def _is_anybody_new(self) -> bool:
        return any(not one.granted for resource in self.watched if not resource.refused for one in resource.wanted_by)

    # -- another stream

    async def _change(self, nursery: trio.Nursery) -> None:
        """Open a stream for what is wanted now, then end the one before."""
        old, wanted = self._current, self._wanted()
        held = self._told() & wanted
        granted = frozenset(one.uri for one in self.watched if one.uri in wanted - held and any(sub.granted for sub in one.wanted_by))
        make = partial(ResourceStream, self.session, self.backend, self.watched)
        attempt = TellingApart(make, nursery, wanted, held, granted)
        if wanted:
            await attempt.run()
        if attempt.stream is not None or not wanted:
            self._current = attempt.stream
            if old is not None:
                old.end("another one is open")
                if old.fault is not None:
                    self._miss(old)
                else:
                    self._failures = 0
        self._settle(attempt)
        if attempt.fault is not None and (wanted == held or not self.session.is_open):
            await self._rest()

    def _miss(self, old: ResourceStream) -> None:
        """It was over before the next one was open: something may have been missed."""
        for resource in self.watched:
            if resource.uri in old.uris:
                resource.held = False

    def _settle(self, attempt: TellingApart) -> None:
        """Say what has come of it to all who wait for that."""
        told = self._told()
        for resource in self.watched:
            if resource.uri not in told:
                resource.held = False
                fault = self._why_not(resource.uri, attempt)
                if fault is not None:
                    self._put_off.refuse(resource, fault)
            elif not resource.held:
                resource.grant()
                self._put_off.granted()
            self.watched.look_at(resource)

    def _why_not(self, uri: str, attempt: TellingApart) -> faults.Fault | None:
        """Why the backend does not tell of one that was wanted; None where it may with the next attempt."""
        if attempt.stream is not None and uri in attempt.stream.uris:
            return faults.client_mistake(f"backend '{self.backend}' does not tell of this resource")
        if uri in attempt.refused:
            return attempt.refused[uri]
        if attempt.fault is not None:
            return attempt.fault if uri in attempt.wanted and self.session.is_open else None
        return attempt.of_all if uri in attempt.granted | attempt.held else None
