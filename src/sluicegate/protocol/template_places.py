"""Places in the arguments of tools that are filled when one is called: about the caller, or what other tools were given and have answered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["CALLER_PLACES", "HEADER_PLACE", "LONGEST_HEADER", "PLACE", "is_credential", "places"]

CALLER_PLACES: Mapping[str, str] = {"${principal.subject}": "subject", "${principal.issuer}": "issuer", "${principal.key}": "key"}
"""What may stand in a text for something about the caller, and the attribute of `Principal` that takes its place."""

HEADER_PLACE = re.compile(r"\$\{header\.([!#$%&'*+.^_`|~0-9A-Za-z-]+?)(:-[^}]*)?\}")
"""``${header.NAME}``, ``${header.NAME:-what holds without it}``: a header of the caller's request."""
LONGEST_HEADER = 1024
"""Bytes of a header's value that is put into arguments."""

PLACE = re.compile(r"\{\{\s*((?:arguments|results\.[A-Za-z0-9_-]+)(?:\.[^\s{}.]+)*)\s*\}\}")
"""``{{arguments.x}}``, ``{{results.TOOL.structuredContent.y}}``."""
_CREDENTIALS = re.compile(
    r"authorization|^x-auth$|cookie|token|secret|passw|credential|signature|assertion|jwt|session|apikey|(?<!idempotency)-key$|^key$"
)


def is_credential(header: str) -> bool:
    """Whether a header lets its sender in somewhere, as far as its name says: no tool may be given it."""
    return _CREDENTIALS.search(header.lower()) is not None


def places(value: object) -> Iterator[str]:
    """All that a template refers to."""
    if isinstance(value, str):
        yield from PLACE.findall(value)
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from places(inner)
