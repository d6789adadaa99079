"""Places in the arguments of tools that are filled when one is called: about the caller, or what other tools were given and have answered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["CALLER_PLACES", "PLACE", "places"]

CALLER_PLACES: Mapping[str, str] = {"${principal.subject}": "subject", "${principal.issuer}": "issuer", "${principal.key}": "key"}
"""What may stand in a text for something about the caller, and the attribute of `Principal` that takes its place."""

PLACE = re.compile(r"\{\{\s*((?:arguments|results\.[A-Za-z0-9_-]+)(?:\.[^\s{}.]+)*)\s*\}\}")
"""``{{arguments.x}}``, ``{{results.TOOL.structuredContent.y}}``."""


def places(value: object) -> Iterator[str]:
    """All that a template refers to."""
    if isinstance(value, str):
        yield from PLACE.findall(value)
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from places(inner)
