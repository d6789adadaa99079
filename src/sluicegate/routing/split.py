"""Give some of a primary's calls to backends that are on trial.

Which calls follows from a fixed cycle of 100 slots, made by smooth weighted round robin: any 100 calls in a row hold exactly each canary's
percent, evenly spread. Or it follows from who calls: then each caller always gets the same backend, and the share is one of callers.

A slot whose canary cannot take the call (it is not available, ejected or held back, or does not list the name) is used up; the primary gets
the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

import attrs

from ..protocol.calls import Call, Caller, Handler, Reply
from .failover import Candidate

__all__ = ["SLOTS", "Canary", "Schedule", "Split"]

SLOTS = 100

METHODS = frozenset({"tools/call", "resources/read", "prompts/get"})
"""What a canary may get. Completion helps to fill in a call, and should fit what most callers get."""


def _never() -> bool:
    return False


@attrs.frozen(eq=False, repr=False)
class Canary:
    """A backend on trial, and its share."""

    candidate: Candidate
    percent: int = attrs.field(validator=(attrs.validators.ge(0), attrs.validators.le(SLOTS)))
    """Of the primary's calls."""
    sticky: bool = False
    """Whether the same callers always get it; then the percent is one of callers."""
    is_held_back: Callable[[], bool] = _never
    """Whether it gets no calls for now, but those that go on with one of its own."""

    def takes(self, call: Call) -> bool:
        """Whether it makes sense to give it this call now."""
        one = self.candidate
        if self.is_held_back():
            return False
        return one.available() and not one.is_ejected() and (one.lists is None or one.lists(call.method, call.local))


@attrs.define(eq=False, repr=False)
class Schedule:
    """Whose turn it is: the number of a canary, or None for the primary.

    It counts; whoever makes a new `Split` of the same canaries should hand it the old one's schedule, or the cycle begins anew.
    """

    shares: tuple[tuple[int, bool], ...]
    """The percent of each canary, and whether it is sticky."""
    _turns: list[int | None] = attrs.field(init=False)
    """The cycle of callers who are nobody in particular."""
    _fixed: list[int] = attrs.field(init=False)
    """The slots of sticky canaries; a caller has one of 100 slots, and beyond these it takes turns."""
    _others: list[int | None] = attrs.field(init=False)
    """The cycle of callers whose slot is none of those."""
    _turn: int = attrs.field(default=-1, init=False)
    _other: int = attrs.field(default=-1, init=False)

    def __attrs_post_init__(self) -> None:
        total = sum(percent for percent, _sticky in self.shares)
        if total > SLOTS:
            raise ValueError(f"the weights of the canaries of one primary are {total} percent together; write at most {SLOTS}")
        self._turns = _cycle([percent for percent, _sticky in self.shares], SLOTS)
        self._fixed = [number for number, (percent, sticky) in enumerate(self.shares) if sticky for _slot in range(percent)]
        self._others = _cycle([0 if sticky else percent for percent, sticky in self.shares], SLOTS - len(self._fixed))

    @classmethod
    def of(cls, canaries: Iterable[Canary]) -> Schedule:
        """A schedule that begins."""
        return cls(tuple((canary.percent, canary.sticky) for canary in canaries))

    def next(self, caller: Caller) -> int | None:
        """Use up one slot."""
        if self._fixed and (who := caller.principal.key or caller.session):
            slot = crc32(who.encode(errors="replace")) % SLOTS  # the same in every process, unlike hash()
            if slot < len(self._fixed):
                return self._fixed[slot]
            self._other = (self._other + 1) % len(self._others)
            return self._others[self._other]
        self._turn = (self._turn + 1) % SLOTS
        return self._turns[self._turn]


def _cycle(weights: Sequence[int], slots: int) -> list[int | None]:
    """Smooth weighted round robin: whoever is owed most is next; what the weights leave over is the primary's."""
    every = [slots - sum(weights), *weights]
    owed = [0] * len(every)
    cycle: list[int | None] = []
    for _slot in range(slots):
        owed = [debt + weight for debt, weight in zip(owed, every, strict=True)]
        first = owed.index(max(owed))
        owed[first] -= slots
        cycle.append(first - 1 if first else None)
    return cycle


@attrs.frozen(eq=False, repr=False)
class Split:
    """Each call goes to the primary or to a canary; a canary's way should end at the primary, for when the canary fails."""

    primary_way: Handler
    canaries: tuple[tuple[Canary, Handler], ...]
    schedule: Schedule = attrs.field(
        default=attrs.Factory(lambda split: Schedule.of(canary for canary, _way in split.canaries), takes_self=True)
    )

    @property
    def inner(self) -> Handler:
        """The primary's way, for whoever walks the chain."""
        return self.primary_way

    async def __call__(self, call: Call) -> Reply:
        """Pass it on; with one backend or another, it is the same call."""
        if call.trail.bound_to:
            return await self._way_of(call.trail.bound_to)(call)
        if call.method in METHODS:
            number = self.schedule.next(call.caller)
            if number is not None:
                canary, way = self.canaries[number]
                if canary.takes(call):
                    return await way(call)
        return await self.primary_way(call)

    def _way_of(self, name: str) -> Handler:
        """The way of a canary of that name; who has none is on the primary's, if anywhere."""
        return next((way for canary, way in self.canaries if canary.candidate.name == name), self.primary_way)
