"""Requests that come again in the same words: under which key their answer is kept has been found out before, and is not found out again.

To read parameters and write them in the one form that all spellings have takes 5 µs; to see that they are the same bytes takes a tenth of that.
"""

from __future__ import annotations

import attrs

from ..protocol.calls import NAMED_BY
from ..protocol.messages import Params

__all__ = ["AskedAgain"]

MOST = 1024
"""Requests that are remembered; the oldest is forgotten first."""
LONGEST = 1024
"""Bytes of the arguments of one of them."""


@attrs.define(eq=False, repr=False)
class AskedAgain:
    """Keys by what was asked, and for whom; a key follows from that alone, so nothing of it grows old."""

    _known: dict[tuple[str, str, bytes, bytes], tuple[str, bytes]] = attrs.field(factory=dict, init=False)

    def find(self, audience: str, method: str, params: Params) -> tuple[str, bytes] | None:
        """The backend's own name of what is asked for, and the key; None where it was not asked for in these words.

        Args:
            audience: whoever has the same is answered the same.
            method: of the request.
            params: those that the backend is to get.
        """
        words = _words(method, params) if self._known else None
        return None if words is None else self._known.get((audience, method, *words))

    def learn(self, audience: str, method: str, params: Params, local: str, key: bytes) -> None:
        """Remember the key of a request."""
        words = _words(method, params)
        if words is None:
            return
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[audience, method, *words] = local, key


def _words(method: str, params: Params) -> tuple[bytes, bytes] | None:
    """Name and arguments as they stand there; None where there is more than these, such as what is said about one call."""
    named, raw = params.get(NAMED_BY[method]), params.get("arguments")
    if named is None or len(params) != (1 if raw is None else 2):
        return None
    if raw is None:
        return bytes(named), b""
    return (bytes(named), bytes(raw)) if memoryview(raw).nbytes <= LONGEST else None
