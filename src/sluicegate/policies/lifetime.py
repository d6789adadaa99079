"""How long a whole call may live, and the answer of one that is cut."""

from __future__ import annotations

from functools import partial

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import AtHand, Call, Coming, Handler, Reply, at_hand
from ..protocol.messages import Params
from .deadline import expired

__all__ = ["CallDeadline", "Lifetime"]


@attrs.frozen(repr=False)
class Lifetime:
    """Enter the one scope of a call, and answer for it when it is cut: by its caller, by its deadline, or by the gateway.

    It stands inside of what observes calls, so that these see an answer in any case.
    """

    inner: Handler

    async def __call__(self, call: Call) -> Reply:
        """Run the call, or say why it was cut."""
        with call.scope:
            return await self.inner(call)
        trail = call.trail
        if trail.cut:
            return Reply.failed(faults.cancelled(trail.cut))
        return Reply.failed(expired(call, trail.allowed, trail.holder, sent=trail.sent))


@attrs.frozen(repr=False)
class CallDeadline:
    """Bound a whole call, whatever happens inside it: failover, retries, queues, progress (P-54).

    It sets the time on the scope that `Lifetime` has entered. `Deadline` does the same with a scope of its own, anywhere; that costs 8 µs more.
    """

    inner: Handler
    seconds: float

    async def __call__(self, call: Call) -> Reply:
        """Run the call with this deadline, unless it has an earlier one."""
        scope, trail = call.scope, call.trail
        ends_at = trio.current_time() + self.seconds
        if ends_at < trail.ends_at:
            trail.ends_at, trail.allowed = ends_at, self.seconds
            scope.deadline = min(scope.deadline, ends_at)
        return await self.inner(call)

    @property
    def at_hand(self) -> AtHand | None:
        """What takes no time needs no deadline, and what comes without a task is told how long it may take."""
        inner = at_hand(self.inner)
        return None if inner is None else partial(self._allowing, inner)

    def _allowing(self, inner: AtHand, call: Call, params: Params) -> Reply | Coming | None:
        trail = call.trail
        before = trail.allowed
        trail.allowed = min(before, self.seconds)
        found = inner(call, params)
        if found is None:
            trail.allowed = before
        return found
