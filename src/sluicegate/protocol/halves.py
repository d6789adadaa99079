r"""Halves of surrogate pairs in JSON: ``\ud800`` alone is no character, and no decoder of UTF-8 text can say what it is.

JavaScript writes them by itself, where a text was cut inside of a pair. They come as escapes only: as bytes they are no UTF-8. A document with
one is refused by our decoder; it is looked at here only then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["find_half", "with_whole_characters"]

MOST_MENDED = 10_000
"""Halves in one message; what has more is no text that was cut somewhere."""

MOST_LOOKED_AT = 2 * MOST_MENDED
"""Places that may be one: text that speaks of them has two million in 16 MiB, and looking at each by itself takes a second."""

_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_HALF = re.compile(rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!%b)|[c-fC-F][0-9a-fA-F]{2}(?<!%b%b))" % (_LOW, _HIGH, _LOW))
"""A high one that no low one follows, or a low one with no high one before it; it begins with what is quick to look for."""
_REPLACEMENT = rb"\ufffd"


def find_half(data: bytes) -> int | None:
    """Where the first one is, None if there is none, or none among the first `MOST_LOOKED_AT` places."""
    return next(_halves(data), None)


def with_whole_characters(data: bytes) -> bytes | None:
    """The same document with U+FFFD in their places; None if there are none, or too many."""
    parts: list[bytes] = []
    end = 0
    for start in _halves(data):
        if start is None or len(parts) == 2 * MOST_MENDED:
            return None
        parts += (data[end:start], _REPLACEMENT)
        end = start + len(_REPLACEMENT)
    return b"".join((*parts, data[end:])) if parts else None


def _halves(data: bytes) -> Iterator[int | None]:
    """Where they are; None where there may be more than anybody looks for, after which nobody asks for others."""
    seen = 0
    for count, match in enumerate(_HALF.finditer(data)):
        if count == MOST_LOOKED_AT:
            yield None
        between = data[seen : match.start()]
        seen = match.end()
        if (len(between) - len(between.rstrip(b"\\"))) % 2 == 0:  # else that backslash is escaped, and what follows is text
            yield match.start()
