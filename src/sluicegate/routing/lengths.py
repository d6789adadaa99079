"""How long a name may be, so that nothing that is done with one costs more than that."""

from __future__ import annotations

from ..protocol.offers import ListKind
from ..protocol.sizes import LONGEST_URI, is_longer

__all__ = ["LONGEST_NAME", "longest", "too_long"]

LONGEST_NAME = 1024
"""Bytes of a tool's or prompt's name."""


def longest(kind: ListKind) -> int:
    """The bytes that a name of a kind may have."""
    return LONGEST_NAME if kind.key == "name" else LONGEST_URI


def too_long(kind: ListKind, name: str) -> bool:
    """Whether a name has more bytes than that."""
    return is_longer(name, longest(kind))
