"""How many attempts beyond the first all calls together may use up.

A limit per call is not enough: when a backend is down, three retries each are four times the load just when it can bear it least. So
retries, hedges and failover of one call path draw from one budget, a share of the calls of the last ten seconds.
"""

from __future__ import annotations

from functools import partial
from math import floor

import attrs
import trio

from ..protocol.calls import AtHand, Call, Coming, Handler, Reply, at_hand
from ..protocol.messages import Params
from ..telling.statistics import counter, gauge, snapshot

__all__ = ["Budget", "BudgetStatistics", "Budgeted"]

WINDOW_SECONDS = 10
_SLOTS_PER_SECOND = 8
"""A power of two: the slot of a moment is exact, whatever the clock shows."""
_SLOTS = WINDOW_SECONDS * _SLOTS_PER_SECOND


@attrs.define(eq=False, repr=False)
class _Window:
    """A count of the last so many slots of time: sliding, of fixed size, with as much work as there are slots gone by."""

    size: int
    total: int = attrs.field(default=0, init=False)
    _counts: list[int] = attrs.field(init=False)
    _slot: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._counts = [0] * self.size

    def move(self, slot: int) -> None:
        """Forget what is too long ago."""
        if slot == self._slot:
            return
        if slot - self._slot >= self.size:
            self._counts = [0] * self.size
            self.total = 0
        else:
            for passed in range(self._slot + 1, slot + 1):
                self.total -= self._counts[passed % self.size]
                self._counts[passed % self.size] = 0
        self._slot = slot

    def add(self) -> None:
        """Count one, in the slot to which it was moved."""
        self._counts[self._slot % self.size] += 1
        self.total += 1


@attrs.frozen(repr=False)
class BudgetStatistics:
    """What `Budget` has counted."""

    left: int = attrs.field(metadata=gauge("retry_budget_left", "Attempts beyond the first that could be drawn now."))
    refused: int = attrs.field(metadata=counter("retry_budget_refused", "Attempts beyond the first that there was no budget for."))


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP, repr=False)  # validators are for settings, not for each count
class Budget:
    """What one call path may use up (implements `Allowance`).

    At every draw, the draws of the last ten seconds are at most ``percent`` of the calls of the last ten seconds plus ten times
    ``min_retries_per_sec``, and one is always allowed. Time is cut into eighths of a second, and the odd part of one counts for the careful
    side: a call is forgotten up to an eighth early, a draw up to an eighth late.
    """

    percent: float = attrs.field(validator=attrs.validators.ge(0))
    min_retries_per_sec: float = attrs.field(validator=attrs.validators.ge(0))
    calls: int = attrs.field(default=0, init=False)
    """Client calls since the start."""
    drawn: int = attrs.field(default=0, init=False)
    """Attempts beyond the first since the start."""
    refused: int = attrs.field(default=0, init=False)
    """Attempts that there were no means for."""
    _reserved: int = attrs.field(default=0, init=False)
    """Attempts that are kept for those who wait."""
    _recent_calls: _Window = attrs.field(factory=lambda: _Window(_SLOTS), init=False)
    _recent_draws: _Window = attrs.field(factory=lambda: _Window(_SLOTS + 1), init=False)

    def count(self) -> None:
        """A client call has begun."""
        self.calls += 1
        self._recent_calls.move(_slot_now())
        self._recent_calls.add()

    def draw(self) -> bool:
        """Take one attempt beyond the first; False if there is none left."""
        if self.left <= 0:
            self.refused += 1
            return False
        self.drawn += 1
        self._recent_draws.add()
        return True

    def reserve(self) -> bool:
        """Keep one for somebody who has to wait; it counts as drawn until he releases it, and only then is it one of these ten seconds."""
        if self.left <= 0:
            self.refused += 1
            return False
        self._reserved += 1
        return True

    def release(self) -> None:
        """Keep it no longer."""
        self._reserved -= 1

    @property
    def left(self) -> int:
        """How many attempts could be drawn now."""
        slot = _slot_now()
        self._recent_calls.move(slot)
        self._recent_draws.move(slot)
        share = floor(self._recent_calls.total * self.percent / 100)
        allowed = max(1, share + floor(self.min_retries_per_sec * WINDOW_SECONDS))
        return max(0, allowed - self._recent_draws.total - self._reserved)

    def statistics(self) -> BudgetStatistics:
        """What it has counted until now."""
        return snapshot(BudgetStatistics, self)


def _slot_now() -> int:
    return int(trio.current_time() * _SLOTS_PER_SECOND)


@attrs.frozen(eq=False, repr=False)
class Budgeted:
    """Give every call the budget of its path; all its copies draw from it."""

    inner: Handler
    budget: Budget

    async def __call__(self, call: Call) -> Reply:
        """Count the call, then run it."""
        self.budget.count()
        call.trail.allowance = self.budget
        return await self.inner(call)

    @property
    def at_hand(self) -> AtHand | None:
        """It is a call, whoever answers it."""
        inner = at_hand(self.inner)
        return None if inner is None else partial(self._counted, inner)

    def _counted(self, inner: AtHand, call: Call, params: Params) -> Reply | Coming | None:
        call.trail.allowance = self.budget
        reply = inner(call, params)
        if reply is not None:
            self.budget.count()
        return reply
