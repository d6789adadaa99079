"""What the operator is told about the lists."""

from __future__ import annotations

import attrs

__all__ = ["Remark"]


@attrs.frozen
class Remark:
    """Something about the lists that the operator should know."""

    what: str
    kind: str
    name: str
    backend: str
    is_mistake: bool = False
    """The configuration asks for what cannot be."""
