"""Whether what a client does gets on. It is looked at now and then, because Hypercorn's parts do not tell when they wait for whom."""

from __future__ import annotations

import attrs

__all__ = ["NEVER", "MinimumRate"]

NEVER = float("inf")


@attrs.define(eq=False, repr=False)
class MinimumRate:
    """Something that may take so long, and longer for every byte that moves."""

    seconds: float
    rate: float
    """Bytes a second that buy more time."""
    began: float = NEVER
    size: int = 0

    def run(self, running: bool, now: float) -> float:
        """Say whether it is going on; when it will have taken too long."""
        if not running:
            self.began = NEVER
        elif self.began == NEVER:
            self.began, self.size = now, 0
        return self.began + self.seconds + self.size / self.rate
