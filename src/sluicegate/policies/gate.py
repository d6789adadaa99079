"""The one place where an attempt is stopped, or measured, for the sake of its backend: outlier detection, then the circuit breaker.

One layer for both, because they look at the same outcome. What tells nothing about the backend is no outcome: what never was sent, what its
caller cut, and bugs of ours. What the deadline of the whole call cut is a failure, if the backend had most of that time. An answer is a
success for both, also an error that does not speak against the backend, such as -32602; a tool's result that says that it failed is one, too,
but for who was told to count these as failures.
"""

from __future__ import annotations

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Handler, Reply
from ..protocol.fault import Cause, Fault
from ..protocol.reply import TOOL_ERROR
from .breaker import Breaker
from .outlier import Outlier

__all__ = ["Gate", "failed"]


def failed(fault: Fault | None) -> bool | None:
    """Whether a call failed in a way that speaks against its backend (DEC-5); None if it says nothing about it."""
    if fault is None:
        return False
    if fault.counts_against_backend:
        return True
    return False if fault.cause is Cause.BACKEND else None


@attrs.frozen(repr=False)
class Gate:
    """Let an attempt through, or refuse it at once; then tell both what became of it."""

    inner: Handler
    breaker: Breaker | None = None
    outlier: Outlier | None = None
    _counts_tool_errors: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        asked = (policy.settings.count_tool_errors for policy in (self.breaker, self.outlier) if policy is not None)
        object.__setattr__(self, "_counts_tool_errors", any(asked))

    async def __call__(self, call: Call) -> Reply:
        """Run the attempt, if neither of them objects."""
        breaker, outlier = self.breaker, self.outlier
        began = trio.current_time()
        life = permit = 0
        if outlier is not None and not (life := outlier.admit(began)) and not call.trail.last_resort:
            return await _refused(faults.ejected(outlier.name, outlier.retry_after))
        if breaker is not None and not (permit := breaker.admit(began)):
            return await _refused(faults.circuit_open(breaker.name, breaker.retry_after))
        reply: Reply | None = None
        try:
            reply = await self.inner(call)
            return reply
        finally:
            now = trio.current_time()
            bad = _ran_out(call, began, now) if reply is None else failed(reply.fault)
            said_no = bad is False and reply is not None and self._counts_tool_errors and reply.outcome(call.method) == TOOL_ERROR
            if breaker is not None:
                limit = breaker.settings.slow_call_seconds
                slow = limit is not None and _seconds(call, began, now, bad) >= limit
                breaker.record(permit, now, True if said_no and breaker.settings.count_tool_errors else bad, slow)
            if outlier is not None and bad is not None:
                outlier.record(life, now, bad or (said_no and outlier.settings.count_tool_errors))


def _ran_out(call: Call, began: float, now: float) -> bool | None:
    """Whether an attempt that was cut is a failure: the whole call's time was up, and the backend, not others before it, had used most of it."""
    trail = call.trail
    if now < trail.ends_at:
        return None
    return True if 2 * _seconds(call, began, now, None) >= trail.allowed else None


async def _refused(fault: Fault) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.failed(fault)


def _seconds(call: Call, began: float, now: float, bad: bool | None) -> float:
    """How long the backend took, or nothing if it had not begun; our own queues and the people who were asked are not its fault."""
    if call.trail.asked:
        return 0.0
    if call.sent_at is not None and call.sent_at >= began:  # else it is from an attempt before
        return now - call.sent_at
    return 0.0 if bad is None else now - began
