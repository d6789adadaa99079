"""How long attempts take, from those that came to an end and from those that were cut before it.

Who cancels the slow attempts and then looks only at the others finds that everything is fast, hedges sooner, cancels more, and so on.
So an attempt that was cut counts as "at least this slow", and the distribution is estimated as Kaplan and Meier do it for patients who
leave a study alive: of those who were still running at some moment, which part ended then?
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

__all__ = ["FEWEST", "LEAST_SECONDS", "MOST", "Latencies", "quantile_of"]

MOST = 256
"""So many attempts are remembered."""
FEWEST = 20
"""With fewer nothing is estimated."""
LEAST_SECONDS = 0.001
"""However fast a backend is, no estimate is less: whoever acts on it sooner than that spends more than can be saved."""
SHARE = 8
"""It is estimated anew when one in so many is new: that keeps the sorting at less than a microsecond per attempt."""

ROUNDING = 1e-9
"""Products of shares that ought to be equal differ by less."""

Sample = tuple[float, bool]
"""Seconds, and whether it was cut then; among equals, those that came to an end are sorted first."""


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP, repr=False)  # validators are for settings, not for each count
class Latencies:
    """A quantile of the latest latencies; it costs little to add to, and to ask."""

    quantile: float = attrs.field(validator=(attrs.validators.gt(0), attrs.validators.lt(1)))
    start: float
    """The estimate, in seconds, while too little is known."""
    _samples: deque[Sample] = attrs.field(factory=lambda: deque(maxlen=MOST), init=False)
    _new: int = attrs.field(default=0, init=False)
    """Samples that the estimate does not know of yet."""
    _estimate: float = attrs.field(default=attrs.Factory(lambda self: self.start, takes_self=True), init=False)

    def __len__(self) -> int:
        return len(self._samples)

    def took(self, seconds: float) -> None:
        """An attempt has come to its end."""
        self._samples.append((seconds, False))
        self._new += 1

    def was_cut(self, seconds: float) -> None:
        """An attempt was cut before its end: it would have taken at least so long."""
        self._samples.append((seconds, True))
        self._new += 1

    @property
    def estimate(self) -> float:
        """Seconds in which the wanted part of all attempts come to an end."""
        if self._new and len(self._samples) >= FEWEST and self._new * SHARE >= len(self._samples):
            self._estimate = max(self._estimated(), LEAST_SECONDS)
            self._new = 0
        return self._estimate

    def _estimated(self) -> float:
        found = quantile_of(self._samples, self.quantile)
        if found is not None:
            return found
        slowest, _ = max(self._samples)
        if all(cut for _, cut in self._samples):  # nothing but lower bounds: callers who cancel at once must not make it ever smaller
            return max(slowest, self._estimate)
        return slowest  # it is more than that; the next attempts run longer, and will show how much


def quantile_of(samples: Iterable[Sample], quantile: float) -> float | None:
    """The product-limit estimate; None if too many were cut to know more than that it is more than the slowest of them."""
    ordered = sorted(samples)
    most = 1 - quantile + ROUNDING
    running, longer = len(ordered), 1.0
    for seconds, cut in ordered:
        if not cut:
            longer *= (running - 1) / running
            if longer <= most:
                return seconds
        running -= 1
    return None
