"""How long a name may be, so that nothing that is done with one costs more than that."""

from __future__ import annotations

from ..protocol.offers import ListKind

__all__ = ["LONGEST_NAME", "LONGEST_URI", "longest", "too_long"]

LONGEST_NAME = 1024
"""Bytes of a tool's or prompt's name."""
LONGEST_URI = 8 * 1024
"""Bytes of a URI or a template for URIs."""


def longest(kind: ListKind) -> int:
    """The bytes that a name of a kind may have."""
    return LONGEST_NAME if kind.key == "name" else LONGEST_URI


def too_long(kind: ListKind, name: str) -> bool:
    """Whether a name has more bytes than that."""
    most = longest(kind)
    return len(name) > most or (not name.isascii() and len(name.encode(errors="replace")) > most)
