"""What has changed at a backend, as far as it says so itself or it follows from what happened: for who keeps its answers.

It is asked, and tells nobody: who keeps answers comes and goes with settings, and would have to be taken off a list each time.
"""

from __future__ import annotations

from collections import deque
from urllib.parse import unquote

import attrs
import msgspec

from .messages import Params, read_text
from .offers import KINDS
from .sizes import LONGEST_URI, is_longer
from .subscription import UPDATED

__all__ = ["ALL", "Changes", "Outdated", "is_about"]

MOST = 256
"""That are remembered one by one; who missed more of them takes it that everything has changed."""
_LISTS = {kind.changed: kind.capability for kind in KINDS}


class Outdated(msgspec.Struct, frozen=True):
    """Something that holds no more."""

    kind: str = ""
    """``tools``, ``resources`` or ``prompts``; empty for all of them."""
    name: str = ""
    """The backend's own name of the one; empty for all of the kind."""


ALL = Outdated()


def is_about(name: str, changed: str) -> bool:
    """Whether something may be other than it was because that has changed: itself, in whatever spelling, what it is in, or what is in it."""
    mine, other = unquote(name).casefold(), unquote(changed).casefold()
    return mine.startswith(other) or other.startswith(mine)


@attrs.define(eq=False, repr=False)
class Changes:
    """All of one backend, counted."""

    count: int = attrs.field(default=0, init=False)
    """How many there were until now."""
    _last: deque[Outdated] = attrs.field(factory=lambda: deque(maxlen=MOST), init=False)

    def add(self, change: Outdated = ALL) -> None:
        """From now on that is something else than it was."""
        self.count += 1
        self._last.append(change)

    def heard(self, method: str, params: Params) -> None:
        """Take it from what a backend says of its own accord."""
        if method in _LISTS:
            self.add(Outdated(_LISTS[method]))
        elif method == UPDATED:
            uri = read_text(params, "uri") or ""
            self.add(Outdated("resources", "" if is_longer(uri, LONGEST_URI) else uri))  # it is kept, and compared with each answer

    def since(self, count: int) -> tuple[Outdated, ...]:
        """Those that came after the first so many."""
        missed = self.count - count
        return (ALL,) if missed > len(self._last) else tuple(self._last)[len(self._last) - missed :]

    def hold_since(self, count: int, method: str, local: str) -> bool:
        """Whether an answer still holds that was asked for when there were so many: nothing has changed that it might be about."""
        return self.count == count or not any(
            method.startswith(change.kind) and (not change.name or is_about(local, change.name)) for change in self.since(count)
        )
