"""One composite tool: what clients see of it, and what it calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from ...protocol.messages import Raw, encode
from .templates import Template

__all__ = ["Composite", "Strategy"]

Strategy: TypeAlias = Literal["parallel", "sequential", "first_success", "race"]
"""All at once; one after the other until one fails; one after the other until one succeeds; all at once until one succeeds."""


class Composite(msgspec.Struct, frozen=True):
    """It, as it was configured."""

    name: str
    description: str
    tools: tuple[str, ...]
    """Client-facing names, in the order of the answer."""
    strategy: Strategy
    schema: bytes
    """Its ``inputSchema``, encoded."""
    arguments: Mapping[str, Template] = msgspec.field(default_factory=dict)
    """What single tools are called with; the others get its own arguments."""
    seconds: float | None = None
    """After so long what is not there yet is missing from the answer."""
    title: str | None = None

    def listed(self) -> bytes:
        """It as an entry of the list of tools."""
        title = {} if self.title is None else {"title": self.title}
        return encode({"name": self.name, **title, "description": self.description, "inputSchema": Raw(self.schema)})
