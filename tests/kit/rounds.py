"""Rounds of Trio's loop, for what is to be spread over several of them."""

from __future__ import annotations

import attrs
import trio

__all__ = ["Rounds"]


@attrs.define(eq=False)
class Rounds(trio.abc.Instrument):
    """How often the loop has gone round."""

    now: int = 0

    def before_io_wait(self, timeout: float) -> None:
        del timeout
        self.now += 1
