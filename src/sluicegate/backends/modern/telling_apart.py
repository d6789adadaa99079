"""Which of several resources a backend refuses to tell of, where it refuses a stream for all of them together (P-113).

Streams are opened for more and more of them: what a backend refuses on top of what it has granted is halved, until one is left that is to blame.
So one client's mistake costs a few requests, and nobody else's subscription.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import attrs
import trio

from ...protocol.errors import METHOD_NOT_FOUND
from ...protocol.faults import Cause, Fault
from .resource_stream import ResourceStream

__all__ = ["TellingApart"]

MOST_STREAMS = 64
"""That are opened to tell some apart. Enough to find one among as many as there can be; who needs more goes on with what is left."""


@attrs.define(eq=False, repr=False)
class TellingApart:
    """One attempt to have a stream open for all of these, or else for as many as possible."""

    make: Callable[[frozenset[str]], ResourceStream]
    nursery: trio.Nursery
    wanted: frozenset[str]
    held: frozenset[str]
    """Those of them that an open stream tells of. They come first, and none of them goes while the backend grants nothing else."""
    granted: frozenset[str]
    """Those that were granted once, and are no more: they come before what is new."""
    stream: ResourceStream | None = attrs.field(default=None, init=False)
    """What has come about."""
    refused: dict[str, Fault] = attrs.field(factory=dict, init=False)
    """Those that the backend does not want to tell of, and why."""
    fault: Fault | None = attrs.field(default=None, init=False)
    """Why it was given up, where that says nothing of a single one."""
    of_all: Fault | None = attrs.field(default=None, init=False)
    """Why there is no stream for all of them; None if there is."""
    _left: int = attrs.field(default=MOST_STREAMS, init=False)

    async def run(self) -> None:
        """Try all at once first."""
        self.of_all = await self._try(self.wanted)
        if self.of_all is None or self.fault is not None:
            return
        others = self.granted, self.wanted - self.held - self.granted
        if not self.held:
            await self._grow(*others)
        elif self.held == self.wanted:
            self.fault = self.of_all  # no more than it tells of: not for any one of them
        else:
            is_granted_again = await self._try(self.held) is None
            await self._grow(*others)
            if self.stream is not None and not is_granted_again:  # the backend does grant something, so one of these is to blame
                await self._grow(self.held)

    async def _grow(self, *pieces: Collection[str]) -> None:
        """Add these to what is open, each as far as it is granted."""
        stack = [sorted(piece) for piece in reversed(pieces) if piece]
        while stack and self.fault is None and self._left > 0:
            piece = stack.pop()
            fault = await self._add(piece)
            if fault is not None and len(piece) == 1:
                self.refused[piece[0]] = fault
            elif fault is not None:
                middle = len(piece) // 2
                stack += [piece[middle:], piece[:middle]]

    async def _add(self, piece: Collection[str]) -> Fault | None:
        uris = frozenset(piece) if self.stream is None else self.stream.uris.union(piece)
        return self.of_all if uris == self.wanted else await self._try(uris)

    async def _try(self, uris: frozenset[str]) -> Fault | None:
        """Open a stream for these instead of the one before; or say why that does not come about."""
        self._left -= 1
        stream = self.make(uris)
        await stream.open(self.nursery)
        if stream.fault is not None and stream.honoured is None:
            if not _is_about_wishes(stream.fault):
                self.fault = stream.fault
            return stream.fault
        if self.stream is not None:
            self.stream.end("another one is open")
        self.stream = stream
        return None


def _is_about_wishes(fault: Fault) -> bool:
    """Whether other wishes may be granted."""
    return fault.cause is Cause.BACKEND and fault.code != METHOD_NOT_FOUND
