"""Ask the next in line when a backend cannot answer.

The primary and its stand-ins are tried one after the other, each through its own policies; the deadline of the whole call lies outside.
A tool that reports an error has answered, and a request that is wrong is wrong everywhere: neither is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ..protocol.calls import NAMED_BY, Call, Handler, Reply
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.faults import Cause, Fault
from ..telling.loggers import get_logger

__all__ = ["Candidate", "Failover"]

log = get_logger("sluicegate.failover")


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


@attrs.frozen(eq=False, repr=False)
class Failover:
    """The first useful answer in the given order; if there is none, the error of the last candidate that was asked.

    Goes on after a backend that is unavailable, lost, too slow or overloaded, and after a backend's own error, except for those that
    would be the same anywhere: ``-32600``, ``-32602``, and ``-32601`` from one that does list the name. Stops once a person was asked, and
    when the call's allowance of further attempts is used up. The ejected are asked last, the primary included, and who is known
    not to have what is asked for is passed over.
    """

    primary: Candidate
    members: tuple[Candidate, ...]

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
        if not primary.available():
            return await self._go_on(call, None, f"{primary.name} is not available")
        if primary.is_ejected():
            return await self._go_on(call, None, f"{primary.name} is ejected")
        reply = await primary.handler(call.copy())
        if reply.fault is None or _is_final(reply.fault, primary, call):
            return reply
        return await self._go_on(call, reply, f"{primary.name}: {reply.fault.told}")

    async def _go_on(self, call: Call, said: Reply | None, cause: str) -> Reply:
        """Ask those that are left; ``said`` is the primary's answer, None if it was not asked."""
        for candidate in self._left(call, None if said is None else self.primary):
            if said is not None and not _may_try_again(call):
                return said
            if said is not None or candidate is not self.primary:
                log.warning("failover", primary=self.primary.name, member=candidate.name, target=call.target, cause=cause)
            reply = await candidate.handler(call.copy())
            if reply.fault is None or _is_final(reply.fault, candidate, call):
                return reply
            if said is None or reply.fault.cause is not Cause.BARRED:  # a gate's refusal says less than what a backend said before
                said = reply
            cause = f"{candidate.name}: {reply.fault.told}"
        return await self.primary.handler(call.copy()) if said is None else said

    def can_take(self, call: Call, other_than: str) -> bool:
        """Whether another than this one makes sense to be asked now (implements `Elsewhere`)."""
        return any(
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
