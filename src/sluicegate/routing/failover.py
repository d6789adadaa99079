"""Ask the next in line when a backend cannot answer.

The primary and its stand-ins are tried one after the other, each through its own policies; the deadline of the whole call lies outside.
A request that is wrong is wrong everywhere, and is not tried again; nor is one that was answered, unless a tool's error is to count as none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator

import attrs
import trio

from ..protocol.calls import NAMED_BY, Call, Handler, Reply
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.faults import Cause, Fault
from ..telling.loggers import get_logger

__all__ = ["Candidate", "Failover", "Preference"]

log = get_logger("sluicegate.failover")

_TRIGGERS = {
    Cause.UNAVAILABLE: "unavailable",
    Cause.BARRED: "unavailable",
    Cause.TRANSPORT: "lost",
    Cause.TIMEOUT: "timeout",
    Cause.OVERLOAD: "overload",
    Cause.BACKEND: "error",
}
_FAULTS = frozenset(_TRIGGERS.values())
_TOOL_ERROR = "tool_error"


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _never_once(call: Call) -> bool:
    del call
    return False


@attrs.frozen(eq=False, repr=False)
class Candidate:
    """A backend that may answer."""

    name: str
    handler: Handler
    available: Callable[[], bool] = _always
    """Whether it makes sense to ask it now. One that is down or unhealthy or whose breaker is open is passed over, not waited for."""
    lists: Callable[[str, str], bool] | None = None
    """Whether it lists what a method (``tools/call``) wants to use (the local name); None if nobody knows."""
    only_once: Callable[[Call], bool] = _never_once
    """Whether a call that has begun there must not be made again: it may have become a task."""
    is_ejected: Callable[[], bool] = _never
    """Whether it does worse than it may; then it is asked only if nobody else is left."""


@attrs.define(eq=False, repr=False)
class Preference:
    """Who has answered in the place of another, and is asked first for a while: what was away a moment ago need not cost each call its time.

    It remembers; whoever makes a new `Failover` of the same backends should hand it the old one's.
    """

    seconds: float
    name: str = ""
    until: float = -math.inf

    def prefer(self, name: str) -> None:
        """Ask it first from now on."""
        self.name, self.until = name, trio.current_time() + self.seconds

    def forget(self) -> None:
        """Ask the primary first again: whoever took its place fails, too."""
        self.name = ""

    @property
    def first(self) -> str:
        """Who is to be asked first; empty where that is the primary."""
        return self.name if self.name and trio.current_time() < self.until else ""


@attrs.frozen(eq=False, repr=False)
class Failover:
    """The first useful answer in the given order; if there is none, the error of the last candidate that was asked.

    Goes on after what it is told to: usually a backend that is unavailable, lost, too slow or overloaded, and its own error, except for those that
    would be the same anywhere: ``-32600``, ``-32602``, and ``-32601`` from one that does list the name. Stops once a person was asked, and
    when the call's allowance of further attempts is used up. The ejected are asked last, the primary included, and who is known
    not to have what is asked for is passed over.
    """

    primary: Candidate
    members: tuple[Candidate, ...]
    after: Collection[str] = _FAULTS
    """After what the next is asked: in the words of the setting ``failover_after``."""
    preference: Preference | None = None
    """None: the primary is asked first in any case."""

    @property
    def inner(self) -> Handler:
        """The primary's handler, for whoever walks the chain."""
        return self.primary.handler

    async def __call__(self, call: Call) -> Reply:
        """Try one after the other; if none is available, the primary says why."""
        primary = self.primary
        if call.trail.bound_to:
            return await self._bound(call.trail.bound_to).handler(call.copy())
        call.trail.elsewhere = self
        first = self._first(call)
        if "unavailable" in self.after and not first.available():
            return await self._go_on(call, None, None, f"{primary.name} is not available")
        if "unavailable" in self.after and first.is_ejected():
            return await self._go_on(call, None, None, f"{primary.name} is ejected")
        reply = await first.handler(call.copy())
        if self._is_the_answer(reply, first, call):
            return reply
        if first is not primary and self.preference is not None:
            self.preference.forget()
        return await self._go_on(call, first, reply, f"{first.name}: {_told(reply)}")

    def _first(self, call: Call) -> Candidate:
        """The primary, unless another has answered in its place and can take this, too."""
        name = "" if self.preference is None else self.preference.first
        if not name:
            return self.primary
        found = next((one for one in self.members if one.name == name), self.primary)
        return found if found.available() and not found.is_ejected() and _may_have(found, call) else self.primary

    async def _go_on(self, call: Call, asked: Candidate | None, said: Reply | None, cause: str) -> Reply:
        """Ask those that are left; ``said`` is the answer of who was asked, None if nobody was."""
        for candidate in self._left(call, asked):
            if said is not None and not _may_try_again(call):
                return said
            if said is not None or candidate is not self.primary:
                log.warning("failover", primary=self.primary.name, member=candidate.name, target=call.target, cause=cause)
            reply = await candidate.handler(call.copy())
            if self._is_the_answer(reply, candidate, call):
                return reply
            if said is None or _says_more(reply, said):
                said = reply
            cause = f"{candidate.name}: {_told(reply)}"
        return await self.primary.handler(call.copy()) if said is None else said

    def _is_the_answer(self, reply: Reply, candidate: Candidate, call: Call) -> bool:
        """Whether nobody else is to be asked; who has answered well is remembered where that is wanted."""
        fault = reply.fault
        if fault is None:
            good = _TOOL_ERROR not in self.after or candidate.only_once(call) or reply.outcome(call.method) != _TOOL_ERROR
            if good and self.preference is not None and candidate is not self.primary and self.preference.first != candidate.name:
                self.preference.prefer(candidate.name)
            return good
        trigger = _TRIGGERS.get(fault.cause)
        return trigger not in self.after or _is_final(fault, candidate, call)

    def can_take(self, call: Call, other_than: str) -> bool:
        """Whether another than this one makes sense to be asked now (implements `Elsewhere`)."""
        return "unavailable" in self.after and any(
            other.name != other_than and other.available() and not other.is_ejected() and _may_have(other, call)
            for other in (self.primary, *self.members)
        )

    def _bound(self, name: str) -> Candidate:
        """The one of that name; who is none of them is refused by whichever is asked."""
        return next((one for one in self.members if one.name == name), self.primary)

    def _left(self, call: Call, asked: Candidate | None) -> Iterator[Candidate]:
        """Who is next, each looked at when its turn comes: while one is asked, others come and go. The gates of the ejected open for the last resort."""
        ejected: list[Candidate] = []
        for candidate in (self.primary, *self.members):
            if candidate is asked or not candidate.available() or not _may_have(candidate, call):
                continue
            if candidate.is_ejected():
                ejected.append(candidate)
            else:
                yield candidate
        call.trail.last_resort = bool(ejected)
        yield from (candidate for candidate in ejected if candidate.available())


def _told(reply: Reply) -> str:
    return "its tool has reported an error" if reply.fault is None else reply.fault.told


def _says_more(reply: Reply, before: Reply) -> bool:
    """A gate's refusal says less than what a backend said before, and a fault less than what a tool has said of its own."""
    return reply.fault is None or (before.fault is not None and reply.fault.cause is not Cause.BARRED)


def _may_have(candidate: Candidate, call: Call) -> bool:
    """Whether it has what is asked for, as far as is known; one that has not would say so, and hide what really went wrong."""
    return call.method not in NAMED_BY or candidate.lists is None or candidate.lists(call.method, call.local)


def _may_try_again(call: Call) -> bool:
    """Nobody is asked for the same thing twice; and the attempts of a call path have a limit together."""
    return not call.trail.asked and (call.trail.allowance is None or call.trail.allowance.draw())


def _is_final(fault: Fault, candidate: Candidate, call: Call) -> bool:
    """Whether nobody else would say anything better, or may be asked."""
    if fault.started and candidate.only_once(call):
        return True
    if fault.cause is Cause.BACKEND and fault.code == METHOD_NOT_FOUND:
        return candidate.lists is not None and candidate.lists(call.method, call.local)
    return not fault.may_go_elsewhere
