"""An answer whose result is large enough to stay where it is.

A mebibyte that is copied takes 0.1 ms, and where its pages are new ones 0.5 to 4, for which everybody else waits. So what a backend answered is
read once, and sent from where it was read.
"""

from __future__ import annotations

import attrs

from .messages import Raw, around_result

__all__ = ["LARGE", "Parts", "in_parts"]

LARGE = 65_536
"""Bytes of a result that are not copied."""


@attrs.frozen(repr=False)
class Parts:
    """One message: ``bytes`` joins it."""

    before: bytes
    large: memoryview
    after: bytes

    def __len__(self) -> int:
        """The bytes of all parts."""
        return len(self.before) + len(self.large) + len(self.after)

    def __bytes__(self) -> bytes:
        """The message as a whole."""
        return b"".join((self.before, self.large, self.after))


def in_parts(id: bytes, result: Raw) -> Parts:
    """The same as `encode_result`, for a large result."""
    before, after = around_result(id)
    return Parts(before, memoryview(result), after)
