"""Send a copy of some calls to another backend, and throw its answers away, or see first whether they are the same.

A copy never delays, changes or fails the call it was made of. It runs in the background, under a deadline of its own, and when enough of
them are under way the next one is dropped and counted. Answers are compared there, too: a call only leaves its own for its copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs
import trio

from ..protocol.calls import WORK, Call, Handler, Reply
from ..protocol.json_pointers import Pointer
from ..settings.stand_ins import MirrorSettings
from ..telling.loggers import get_logger
from ..telling.statistics import counter, snapshot
from .comparing import compare
from .detached import detached
from .effects import TOOL
from .mirror_tally import Discrepancy, MirrorTally

__all__ = ["Mirror", "MirrorStatistics", "Mirrored", "Shadow"]

log = get_logger("sluicegate.mirror")
_AS_USUAL = MirrorSettings()


@attrs.frozen(repr=False)
class MirrorStatistics:
    """What `Shadow` has counted."""

    copies: Mapping[str, int] = attrs.field(metadata=counter("mirror_copies", "Copies of requests for mirrors that have ended.", "outcome"))
    compared: Mapping[str, int] = attrs.field(
        metadata=counter("mirror_compared", "Answers of mirrors, by whether they are what their sources have answered.", "result")
    )
    different: Mapping[str, int] = attrs.field(
        metadata=counter("mirror_different", "Those that are not, by the tool or the prompt, or else by the method.", "name")
    )
    latest: Sequence[Discrepancy]
    """The last that were not, the newest first."""


class Mirrored(Protocol):
    """The backend whose calls are copied."""

    def is_read_only(self, tool: str) -> bool:
        """Whether it says that a tool changes nothing."""
        ...

    def lists(self, method: str, local: str) -> bool:
        """Whether it lists what a method wants to use."""
        ...


@attrs.define(eq=False, repr=False)
class _Pair:
    """A call and its copy, whose answers are to be compared."""

    name: str
    """Under which a difference is counted."""
    source: Reply | None = None
    """None where the call was cut, or where nobody could answer it alike: a person was asked."""
    is_over: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP, repr=False)  # validators are for settings, not for each count
class Shadow:
    """A backend that sees copies, and how many. One object per pair of source and mirror, shared by all who may answer for the source."""

    name: str
    handler: Handler
    percent: int = attrs.field(default=_AS_USUAL.mirror_percent, validator=(attrs.validators.ge(0), attrs.validators.le(100)))
    """Exactly so many of any 100 consecutive calls, evenly spread; 0 is none."""
    seconds: float = attrs.field(default=30.0, kw_only=True)
    """How long a copy may take."""
    slots: int = attrs.field(default=32, kw_only=True)
    """How many copies may be under way at once, and how many answers may wait for the source's."""
    read_only: bool = attrs.field(default=_AS_USUAL.mirror_read_only, kw_only=True)
    """Whether it gets copies only of what changes nothing."""
    ignored: Sequence[Pointer] | None = attrs.field(default=None, kw_only=True)
    """What does not count when answers are compared; None is not to compare them."""
    tally: MirrorTally = attrs.field(factory=MirrorTally, kw_only=True)
    """What became of its copies; who takes its place may go on with it."""
    _due: int = attrs.field(default=0, init=False)

    @property
    def sent(self) -> int:
        """Copies that have left."""
        return self.tally.sent

    @property
    def failed(self) -> int:
        """Those without a result."""
        return self.tally.failed

    @property
    def dropped(self) -> int:
        """Copies that were due while all slots were taken."""
        return self.tally.dropped

    @property
    def running(self) -> int:
        """Those that are on their way."""
        return self.tally.running

    def does_as(self, other: Shadow) -> bool:
        """Whether it is set as another one."""
        return all(getattr(self, name) == getattr(other, name) for name in ("percent", "seconds", "slots", "read_only", "ignored"))

    def wants(self) -> bool:
        """Count a call, and say whether a copy of it is due and there is room for it."""
        self._due += self.percent
        if self._due < 100:
            return False
        self._due -= 100
        if self.tally.running >= self.slots:
            self.tally.dropped += 1
            return False
        return True

    def send(self, copy: Call, background: trio.Nursery, pair: _Pair | None = None, through: Handler | None = None) -> None:
        """Start a copy on its way, to its handler or ``through`` what leads there."""
        background.start_soon(self._run, copy, pair, through or self.handler)
        self.tally.sent += 1
        self.tally.running += 1

    async def _run(self, copy: Call, pair: _Pair | None, handler: Handler) -> None:
        try:
            reply = await self._answer(copy, handler)
        finally:
            self.tally.running -= 1
        if pair is not None:
            await self._compare(copy.method, pair, reply)

    async def _answer(self, copy: Call, handler: Handler) -> Reply | None:
        """What it says to a copy; None is nothing in time."""
        reply: Reply | None = None
        why = f"no answer within {self.seconds:g} s"
        try:
            copy.scope.deadline = trio.current_time() + self.seconds
            with copy.scope:
                reply = await handler(copy)
        except Exception as error:  # a bug in there costs this copy, not the nursery with all other background work
            why = "bug"
            log.exception("bug while mirroring a call", mirror=self.name, target=copy.target, error=repr(error))
        if reply is None or reply.fault is not None:
            self.tally.failed += 1
            log.debug("a mirrored call failed", mirror=self.name, target=copy.target, why=why if reply is None else _words(reply))
        return reply

    async def _compare(self, method: str, pair: _Pair, reply: Reply | None) -> None:
        """Wait for the source's answer, and count whether it is another one."""
        places = None
        self.tally.comparing += 1
        try:
            if self.tally.comparing <= self.slots:
                with trio.move_on_after(self.seconds):
                    await pair.is_over.wait()
                    if pair.source is not None:
                        places = await compare(method, pair.source, reply, self.ignored or ())
        except Exception as error:  # as above
            log.exception("bug while comparing a mirror's answer", mirror=self.name, target=pair.name, error=repr(error))
        finally:
            self.tally.comparing -= 1
            self.tally.compared_with(method, pair.name, places)

    @property
    def copies(self) -> dict[str, int]:
        """Those that have ended, by what became of them."""
        return {"ok": self.sent - self.failed - self.running, "failed": self.failed, "dropped": self.dropped}

    def statistics(self) -> MirrorStatistics:
        """What it has counted until now."""
        return snapshot(MirrorStatistics, self, self.tally)


def _words(reply: Reply) -> str:
    return reply.fault.told if reply.fault is not None else ""


@attrs.frozen(eq=False, repr=False)
class Mirror:
    """Show calls to shadows, at most once per client call however many attempts it takes."""

    inner: Handler
    shadows: tuple[Shadow, ...]
    background: trio.Nursery
    source: Mirrored | None = None
    """Whose calls they are; without it nobody knows which tools change nothing, nor which there are."""
    as_written: Mapping[str, Handler] = attrs.field(factory=dict)
    """By name, shadows with other rules for the parameters of tools than the source has: through these they get what clients write."""

    async def __call__(self, call: Call) -> Reply:
        """Start the copies that are due, then run the call itself."""
        if call.method not in WORK or call.trail.mirrored:
            return await self.inner(call)
        call.trail.mirrored = True  # decided by the first attempt, also where no copy was due
        pair = self._copy(call)
        if pair is None:
            return await self.inner(call)
        reply: Reply | None = None
        try:
            reply = await self.inner(call)
            return reply
        finally:
            pair.source = None if call.trail.asked else reply
            pair.is_over.set()

    def _copy(self, call: Call) -> _Pair | None:
        """Start the copies that are due; what is to be known of the call, where one of them is compared with it."""
        pair: _Pair | None = None
        for shadow in self.shadows:
            if (shadow.read_only and self._may_change(call)) or not shadow.wants():
                continue
            own: _Pair | None = None
            if shadow.ignored is not None and "task" not in call.params:  # a copy is never a task
                own = pair = pair or _Pair(self._name(call))
            through = self.as_written.get(shadow.name) if call.method == TOOL else None
            shadow.send(detached(call if through is None else _as_written(call)), self.background, own, through)
        return pair

    def _may_change(self, call: Call) -> bool:
        return call.method == TOOL and (self.source is None or not self.source.is_read_only(call.local))

    def _name(self, call: Call) -> str:
        """Under which its differences are counted: what a caller has made up is none, and a URI may hold anything."""
        is_known = call.method != "resources/read" and self.source is not None and self.source.lists(call.method, call.local)
        return call.local if is_known else call.method


def _as_written(call: Call) -> Call:
    return call if call.trail.written is None else call.copy(params=call.trail.written)
