"""Looking for a name in JSON text without reading it: for what is seldom there, and looked for in every message.

Any character may be written as an escape, and there are programs that write each slash so, as PHP does. Text in which a name may be spelled otherwise
than plainly is read; what is not found else is not there.
"""

from __future__ import annotations

__all__ = ["ESCAPED", "may_name"]

ESCAPED = b"\\u00"
"""At the beginning of every escape that stands for a letter."""


def may_name(text: bytes, word: bytes) -> bool:
    """Whether this stands there, or may stand there in another spelling; a name has ASCII characters alone."""
    return word in text or (b"\\" in text and (ESCAPED in text or (b"/" in word and b"\\/" in text)))
