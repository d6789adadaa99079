"""How large a result may be (LIM-57): a tool that returns a whole database fills the memory, and the context, of who asked for it.

It stands outside of failover and retries: the work is done, and whoever else does it has as much to say. So it speaks against nobody, either.
"""

from __future__ import annotations

import attrs

from ..protocol import faults
from ..protocol.calls import WORK, Call, Reply
from ..protocol.why import Why
from ..telling.statistics import counter, snapshot
from .remembering import Remembering
from .settings import ResultSizeSettings

__all__ = ["ResultSize", "ResultSizeStatistics"]

_HINT = "it was done, and its result is too large to be passed on; ask for less at a time"


@attrs.frozen(repr=False)
class ResultSizeStatistics:
    """What `ResultSize` has counted."""

    refused: int = attrs.field(metadata=counter("results_refused", "Results that were too large to be passed on."))


@attrs.define(eq=False, repr=False)
class ResultSize(Remembering[ResultSizeSettings]):
    """Pass results on that are within the limit, and say of others how large they were."""

    refused: int = attrs.field(default=0, init=False)
    """Results that were larger."""

    async def __call__(self, call: Call) -> Reply:
        """Run the call; errors pass, and what is no work."""
        reply = await self.inner(call)
        size, most = len(reply.result), self.settings.max_bytes
        if size <= most or call.method not in WORK:
            return reply
        self.refused += 1
        why = Why(f"its result has {size} bytes, and result_size.max_bytes allows {most}")
        return Reply.failed(attrs.evolve(faults.unreadable(self.backend, why), hint=_HINT))

    def statistics(self) -> ResultSizeStatistics:
        """What it has counted until now."""
        return snapshot(ResultSizeStatistics, self)
