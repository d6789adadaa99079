"""From which level on clients want to hear what servers log, all who matter to one register together (P-67)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from .log_levels import LEVELS

__all__ = ["LogWishes"]


@attrs.define(eq=False, repr=False)
class LogWishes:
    """How many there are who want each level. All of it is sync."""

    _counts: Counter[str | None] = attrs.field(factory=Counter, init=False)
    _lookers: dict[Callable[[], None], None] = attrs.field(factory=dict, init=False)

    @property
    def most(self) -> int | None:
        """The rank of the most talkative level that somebody has asked for; None where nobody has."""
        return min((LEVELS[level] for level in self._counts if level is not None), default=None)

    @property
    def has_silent(self) -> bool:
        """Whether there is somebody who has not said anything, and is to hear what a server says unasked."""
        return None in self._counts

    def add(self, level: str | None) -> None:
        """One more is there; None is who has not said anything."""
        self._counts[level] += 1
        if self._counts[level] == 1:
            self._tell()

    def discard(self, level: str | None) -> None:
        """One less."""
        self._counts[level] -= 1
        if not self._counts[level]:
            del self._counts[level]
            self._tell()

    @contextmanager
    def watched_by(self, look: Callable[[], None]) -> Iterator[None]:
        """Call it whenever something else may be wanted."""
        self._lookers[look] = None
        try:
            yield
        finally:
            del self._lookers[look]

    def _tell(self) -> None:
        for look in list(self._lookers):
            look()
