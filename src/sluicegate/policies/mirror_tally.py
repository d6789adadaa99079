"""What became of a mirror's copies, and which of its answers were others than its source's; of all that within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs
import trio

from .comparing import Unlike

__all__ = ["MOST_KEPT", "MOST_NAMES", "OTHERS", "Discrepancy", "MirrorTally"]

MOST_KEPT = 100
"""The last so many that were different are kept, with a few places each."""
MOST_NAMES = 64
"""Names that are counted by themselves, of at most `_LONGEST` characters."""
OTHERS = "other"
"""Under which the others are counted."""
_LONGEST = 128


@attrs.frozen(repr=False)
class Discrepancy:
    """A call to which a mirror has answered otherwise."""

    method: str
    name: str
    """Of the tool or the prompt, as the backend calls it; the method where there is none."""
    seconds_ago: float
    places: Sequence[Unlike]
    """Where the answers differ, the first few."""


@attrs.define(eq=False, repr=False)
class MirrorTally:
    """Counts for one pair of source and mirror. It is all plain numbers and short texts; no answer is kept."""

    sent: int = attrs.field(default=0, init=False)
    failed: int = attrs.field(default=0, init=False)
    dropped: int = attrs.field(default=0, init=False)
    running: int = attrs.field(default=0, init=False)
    comparing: int = attrs.field(default=0, init=False)
    """Answers that are kept until they were compared."""
    compared: dict[str, int] = attrs.field(factory=dict, init=False)
    """Answers by ``same``, ``different`` and ``skipped``: those with nothing to compare with, because the call was cut, a person was
    asked or too many waited."""
    different: dict[str, int] = attrs.field(factory=dict, init=False)
    """By name."""
    _kept: deque[tuple[float, Discrepancy]] = attrs.field(factory=lambda: deque(maxlen=MOST_KEPT), init=False)
    """With when that was."""

    def compared_with(self, method: str, name: str, places: Sequence[Unlike] | None) -> None:
        """An answer was compared: where it differs, or None where it could not be."""
        result = "skipped" if places is None else "different" if places else "same"
        self.compared[result] = self.compared.get(result, 0) + 1
        if not places:
            return
        name = name[:_LONGEST]
        counted = name if name in self.different or len(self.different) < MOST_NAMES else OTHERS
        self.different[counted] = self.different.get(counted, 0) + 1
        self._kept.append((trio.current_time(), Discrepancy(method, name, 0.0, tuple(places))))

    @property
    def latest(self) -> Sequence[Discrepancy]:
        """Those that are kept, the newest first."""
        return [attrs.evolve(one, seconds_ago=trio.current_time() - at) for at, one in reversed(self._kept)]
