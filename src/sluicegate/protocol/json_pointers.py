"""Which places of a JSON document are meant: JSON Pointers (RFC 6901), in which ``*`` is any one member or element.

``/content/*/text`` is the text of each block, and what is below a place belongs to it. As in the RFC a ``/`` in a name is written ``~1``, and
a ``~`` as ``~0``; a member whose name is ``*`` alone is meant by every ``*``, and cannot be meant alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["ANY", "Pointer", "read_pointer", "written"]

Pointer = tuple[str, ...]
"""The names on the way from the whole document to a place."""
ANY = "*"
_ESCAPED = re.compile(r"(?:[^~]|~[01])*")


def read_pointer(text: str) -> Pointer:
    """The names in a pointer; raises `ValueError`, with what to write instead, for what is none."""
    if not text.startswith("/"):
        raise ValueError(f"a place begins with a slash: write {'/' + text!r}")
    if _ESCAPED.fullmatch(text) is None:
        raise ValueError("in a name '~' is written '~0', and '/' as '~1'")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text[1:].split("/"))


def written(names: Iterable[str]) -> str:
    """The pointer of these names."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
