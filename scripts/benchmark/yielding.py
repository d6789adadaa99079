"""Who attacks does it from another machine: here he only gets what the processor has left.

A lower priority is not enough. A task that is awake takes its turn to its end before somebody with a higher one gets the core (milliseconds, as long as
calls take here); one that is idle by its class gives way at once. How much was sent is in the report, and so is whether the attack was seen at all.
"""

from __future__ import annotations

import os
import sys

__all__ = ["yield_the_processor"]


def yield_the_processor() -> None:
    """Let everybody else on this machine go first, from now on."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)
