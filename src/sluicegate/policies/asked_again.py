"""Requests that come again in the same words: under which key their answer is kept has been found out before, and is not found out again.

To read parameters and write them in the one form that all spellings have takes 5 µs; to see that they are the same bytes takes a tenth of that.
"""

from __future__ import annotations

import attrs

from ..protocol.calls import NAMED_BY, Call
from ..protocol.messages import Raw

__all__ = ["AskedAgain"]

MOST = 1024
"""Requests that are remembered; the oldest is forgotten first."""
LONGEST = 1024
"""Bytes of the arguments of one of them."""


@attrs.define(eq=False, repr=False)
class AskedAgain:
    """Keys by what was asked, and for whom; a key follows from that alone, so nothing of it grows old."""

    _known: dict[tuple[str, str, bytes, bytes], tuple[str, bytes]] = attrs.field(factory=dict, init=False)

    def find(self, audience: str, call: Call, named: Raw) -> tuple[str, bytes] | None:
        """The backend's own name of what is asked for, and the key; None where it was not asked for in these words.

        Args:
            audience: whoever has the same is answered the same.
            call: as its caller has made it.
            named: what the backend calls that, encoded.
        """
        words = _words(call)
        return None if words is None else self._known.get((audience, call.method, bytes(named), words))

    def learn(self, audience: str, call: Call, local: str, key: bytes) -> None:
        """Remember the key of a call that is in the backend's own words."""
        words = _words(call)
        if words is None:
            return
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[audience, call.method, bytes(call.params[NAMED_BY[call.method]]), words] = local, key


def _words(call: Call) -> bytes | None:
    """The arguments as they stand there; None where there is more than these and a name, such as what is said about one call."""
    params, raw = call.params, call.params.get("arguments")
    if len(params) != (1 if raw is None else 2) or NAMED_BY.get(call.method) not in params:
        return None
    if raw is None:
        return b""
    return bytes(raw) if memoryview(raw).nbytes <= LONGEST else None
