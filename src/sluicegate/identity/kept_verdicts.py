"""What was found out about tokens, by their digests, for as long as it may be believed; in memory, and bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import attrs
import trio

from ..protocol.principal import Principal
from .verifying import Denied

__all__ = ["KeptVerdicts"]

MOST_GOOD, MOST_BAD = 10_000, 4096
BAD_SECONDS = 10.0
"""How long a token that was no good is refused without a question."""


@attrs.define(eq=False, repr=False)
class KeptVerdicts:
    """Good and bad ones apart, so that no number of bad ones pushes a good one out. Of each the longest unused go first."""

    seconds: float
    """How long a good one is believed, if its token does not end before."""
    wall: Callable[[], float]
    generation: int = attrs.field(default=0, init=False)
    """How often all were forgotten: what was found out by the keys of an earlier one is not to be kept."""
    _good: OrderedDict[bytes, tuple[Principal, float]] = attrs.field(factory=OrderedDict, init=False)
    """With the time until when."""
    _bad: OrderedDict[bytes, tuple[Denied, float]] = attrs.field(factory=OrderedDict, init=False)

    def find(self, digest: bytes) -> Principal | Denied | None:
        """What is known of a token; None where it has to be found out."""
        now = trio.current_time()
        good = self._good.get(digest)
        if good is not None and now < good[1]:
            self._good.move_to_end(digest)
            return good[0]
        bad = self._bad.get(digest)
        return bad[0] if bad is not None and now < bad[1] else None

    def knew(self, digest: bytes) -> bool:
        """Whether a token was good when it was last looked at."""
        return digest in self._good

    def forget(self) -> None:
        """Look at every token again: a key by which some of them were judged has been withdrawn."""
        self.generation += 1
        self._good.clear()
        self._bad.clear()

    def keep(self, digest: bytes, verdict: Principal | Denied) -> None:
        """Remember what was found out."""
        now = trio.current_time()
        if isinstance(verdict, Denied):
            self._good.pop(digest, None)
            self._bad[digest] = verdict, now + BAD_SECONDS
            self._bad.move_to_end(digest)
            if len(self._bad) > MOST_BAD:
                self._bad.popitem(last=False)
            return
        left = self.seconds if verdict.expires_at is None else min(self.seconds, verdict.expires_at - self.wall())
        self._bad.pop(digest, None)
        self._good[digest] = verdict, now + left
        self._good.move_to_end(digest)
        if len(self._good) > MOST_GOOD:
            self._good.popitem(last=False)
