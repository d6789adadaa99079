"""One of the calls that a composite makes."""

from __future__ import annotations

import attrs
import trio

from ...protocol.calls import Back, Call, Handler, Reply, Trail, without_task
from ...protocol.fault import Fault
from ...protocol.messages import Raw, encode
from ...protocol.question import Question
from ...protocol.tokens import without_token

__all__ = ["CompositePart", "part_of"]

CONTINUED = frozenset({"requestState", "inputResponses"})
"""What goes on with a call that asked for more, which no composite does."""


@attrs.frozen(eq=False, repr=False)
class _WayBack:
    """The way home of the whole, which a part shares. Who is asked for a part is asked for the whole."""

    whole: Back
    trail: Trail

    def note(self, message: bytes) -> None:
        """Pass on a log line; a part knows no progress token."""
        self.whole.note(message)

    def ask(self, question: Question) -> Fault | None:
        """Ask the caller."""
        fault = self.whole.ask(question)
        if fault is None:
            self.trail.asked = True
        return fault

    def hold(self, question: Question) -> None:
        """What holds for the whole holds for this part."""
        self.whole.hold(question)
        self.trail.asked = True


@attrs.define(eq=False, repr=False)
class CompositePart:
    """It, and what came of it."""

    call: Call
    reply: Reply | None = None
    """None: it was not made, or has no answer yet."""
    seconds: float = 0.0

    async def run(self, handler: Handler) -> None:
        """Make the call."""
        began = trio.current_time()
        self.reply = await handler(self.call)
        self.seconds = trio.current_time() - began

    @property
    def succeeded(self) -> bool:
        """Whether there is an answer that is none of a failure."""
        reply = self.reply
        return reply is not None and reply.outcome("tools/call") == "ok"


def part_of(whole: Call, tool: str, arguments: Raw) -> CompositePart:
    """A call of one tool on behalf of the caller of the whole, with a life and a trail of its own."""
    trail = Trail(ends_at=whole.trail.ends_at, allowed=whole.trail.allowed, outer=whole.trail)
    params = {key: raw for key, raw in without_task(whole.params).items() if key not in CONTINUED}
    if "_meta" in params:
        params["_meta"] = without_token(params["_meta"])
    params |= {"name": Raw(encode(tool)), "arguments": arguments}
    return CompositePart(Call("tools/call", tool, params, whole.caller, _WayBack(whole.back, trail), trail=trail))
