"""Ask the next in line when a backend cannot answer.

The primary and its stand-ins are tried one after the other, each through its own policies; the deadline of the whole call lies outside.
A tool that reports an error has answered, and a request that is wrong is wrong everywhere: neither is tried again.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..events import get_logger
from ..protocol.calls import Call, Handler, Reply
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.faults import Cause, Fault

__all__ = ["Candidate", "Failover"]

log = get_logger("sluicegate.failover")


def _always() -> bool:
    return True


def _nothing(method: str, local: str) -> bool:
    del method, local
    return False


@attrs.frozen(eq=False)
class Candidate:
    """A backend that may answer."""

    name: str
    handler: Handler
    available: Callable[[], bool] = _always
    """Whether it makes sense to ask it now; one that is down is passed over, not waited for."""
    lists: Callable[[str, str], bool] = _nothing
    """Whether it lists what a method (``tools/call``) wants to use (the local name)."""


@attrs.frozen(eq=False)
class Failover:
    """The first useful answer in the given order; if there is none, the error of the last candidate that was asked.

    Goes on after a backend that is unavailable, lost, too slow or overloaded, and after a backend's own error, except for those that
    would be the same anywhere: ``-32600``, ``-32602``, and ``-32601`` from one that does list the name. Stops once a person was asked.
    """

    primary: Candidate
    members: tuple[Candidate, ...]

    @property
    def inner(self) -> Handler:
        """The primary's handler, for whoever walks the chain."""
        return self.primary.handler

    async def __call__(self, call: Call) -> Reply:
        """Try one after the other; if none is available, the primary says why."""
        reply: Reply | None = None
        cause = ""
        for candidate in (self.primary, *self.members):
            if not candidate.available():
                cause = cause or f"{candidate.name} is down"
                continue
            if candidate is not self.primary:
                log.warning("failover", primary=self.primary.name, member=candidate.name, target=call.target, cause=cause)
            reply = await candidate.handler(call.copy())
            if reply.fault is None or call.trail.asked or _is_final(reply.fault, candidate, call):
                return reply
            cause = f"{candidate.name}: {reply.fault.message}"
        return await self.primary.handler(call.copy()) if reply is None else reply


def _is_final(fault: Fault, candidate: Candidate, call: Call) -> bool:
    """Whether nobody else would say anything better."""
    if fault.cause is Cause.BACKEND and fault.code == METHOD_NOT_FOUND:
        return candidate.lists(call.method, call.local)
    return not fault.may_go_elsewhere
