"""Send a copy of some calls to another backend and throw its answers away.

A copy never delays, changes or fails the call it was made of. It runs in the background, under a deadline of its own, and when enough of
them are under way the next one is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import trio

from ..protocol.calls import WORK, Call, Handler, Reply
from ..settings.stand_ins import MirrorSettings
from ..telling.loggers import get_logger
from ..telling.statistics import counter, snapshot
from .detached import detached

__all__ = ["Mirror", "MirrorStatistics", "Shadow"]

log = get_logger("sluicegate.mirror")
_AS_USUAL = MirrorSettings()


@attrs.frozen
class MirrorStatistics:
    """What `Shadow` has counted."""

    copies: Mapping[str, int] = attrs.field(metadata=counter("mirror_copies", "Copies of requests for mirrors that have ended.", "outcome"))


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)  # validators are for settings, not for each count
class Shadow:
    """A backend that sees copies, and how many. One object per pair of source and mirror, shared by all who may answer for the source."""

    name: str
    handler: Handler
    percent: int = attrs.field(default=_AS_USUAL.mirror_percent, validator=(attrs.validators.ge(0), attrs.validators.le(100)))
    """Exactly so many of any 100 consecutive calls, evenly spread; 0 is none."""
    seconds: float = attrs.field(default=30.0, kw_only=True)
    """How long a copy may take."""
    slots: int = attrs.field(default=32, kw_only=True)
    """How many copies may be under way at once."""
    sent: int = attrs.field(default=0, init=False)
    failed: int = attrs.field(default=0, init=False)
    dropped: int = attrs.field(default=0, init=False)
    """Copies that were due while all slots were taken."""
    running: int = attrs.field(default=0, init=False)
    _due: int = attrs.field(default=0, init=False)

    def wants(self) -> bool:
        """Count a call, and say whether a copy of it is due and there is room for it."""
        self._due += self.percent
        if self._due < 100:
            return False
        self._due -= 100
        if self.running >= self.slots:
            self.dropped += 1
            return False
        return True

    def send(self, copy: Call, background: trio.Nursery) -> None:
        """Start a copy on its way."""
        background.start_soon(self._run, copy)
        self.sent += 1
        self.running += 1

    async def _run(self, copy: Call) -> None:
        reply: Reply | None = None
        why = f"no answer within {self.seconds:g} s"
        try:
            copy.scope.deadline = trio.current_time() + self.seconds
            with copy.scope:
                reply = await self.handler(copy)
        except Exception as error:  # a bug in there costs this copy, not the nursery with all other background work
            why = "bug"
            log.exception("bug while mirroring a call", mirror=self.name, target=copy.target, error=repr(error))
        finally:
            self.running -= 1
        if reply is None or reply.fault is not None:
            self.failed += 1
            log.debug("a mirrored call failed", mirror=self.name, target=copy.target, why=why if reply is None else _words(reply))

    @property
    def copies(self) -> dict[str, int]:
        """Those that have ended, by what became of them."""
        return {"ok": self.sent - self.failed - self.running, "failed": self.failed, "dropped": self.dropped}

    def statistics(self) -> MirrorStatistics:
        """What it has counted until now."""
        return snapshot(MirrorStatistics, self)


def _words(reply: Reply) -> str:
    return reply.fault.told if reply.fault is not None else ""


@attrs.frozen(eq=False)
class Mirror:
    """Show calls to shadows, at most once per client call however many attempts it takes."""

    inner: Handler
    shadows: tuple[Shadow, ...]
    background: trio.Nursery

    async def __call__(self, call: Call) -> Reply:
        """Start the copies that are due, then run the call itself."""
        if call.method in WORK and not call.trail.mirrored:
            call.trail.mirrored = True  # decided by the first attempt, also where no copy was due
            for shadow in self.shadows:
                if shadow.wants():
                    shadow.send(detached(call), self.background)
        return await self.inner(call)
