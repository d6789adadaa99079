"""An answer whose result is large enough to stay where it is.

A mebibyte that is copied takes 0.1 ms, and where its pages are new ones 0.5 to 4, for which everybody else waits. So what a backend answered is
read once, and sent from where it was read.
"""

from __future__ import annotations

import attrs

from .messages import Raw, around_result, encode_result

__all__ = ["LARGE", "Parts", "encode_answer"]

LARGE = 65_536
"""Bytes of a result that are not copied."""


@attrs.frozen
class Parts:
    """One message: ``bytes`` joins it."""

    before: bytes
    large: memoryview = attrs.field(repr=False)
    after: bytes

    def __len__(self) -> int:
        """The bytes of all parts."""
        return len(self.before) + len(self.large) + len(self.after)

    def __bytes__(self) -> bytes:
        """The message as a whole."""
        return b"".join((self.before, self.large, self.after))


def encode_answer(id: bytes, result: Raw) -> bytes | Parts:
    """The same as `encode_result`, in parts where the result is large."""
    large = memoryview(result)
    if len(large) < LARGE:
        return encode_result(id, result)
    before, after = around_result(id)
    return Parts(before, large, after)
