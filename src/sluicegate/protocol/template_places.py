"""Places in the arguments of composite tools' parts that are filled when one is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["PLACE", "places"]

PLACE = re.compile(r"\{\{\s*((?:arguments|results\.[A-Za-z0-9_-]+)(?:\.[^\s{}.]+)*)\s*\}\}")
"""``{{arguments.x}}``, ``{{results.TOOL.structuredContent.y}}``."""


def places(value: object) -> Iterator[str]:
    """All that a template refers to."""
    if isinstance(value, str):
        yield from PLACE.findall(value)
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from places(inner)
