"""Tools of the gateway's own that call several others: a table of a file."""

from __future__ import annotations

from typing import Literal

import attrs

from .parameters import Json
from .ranges import POSITIVE, within

__all__ = ["CompositeConfig"]


@attrs.frozen(repr=False)
class CompositeConfig:
    """A tool that calls several others."""

    name: str
    """What clients call it; it is not prefixed."""
    description: str
    """What it does, for whoever may call it."""
    tools: tuple[str, ...]
    """The tools that it calls, by the names that clients use, in the order of its answer."""
    strategy: Literal["parallel", "sequential", "first_success", "race"] = "parallel"
    """All at once; one after the other until one fails; one after the other until one succeeds; all at once until one succeeds."""
    title: str | None = None
    """What it is called for people."""
    input_schema: Json | None = None
    """What its arguments must be, as a JSON Schema of an object."""
    arguments: Json = attrs.field(factory=dict)
    """By tool what that is called with, where that is not what the composite tool is called with; texts may hold {{arguments.x}}, and
    {{results.TOOL.structuredContent.y}} of a tool before it where they are called in turn."""
    seconds: float | None = attrs.field(default=None, metadata=within(POSITIVE))
    """After so long it answers with what is there."""
