"""How a backend's own names become the names that clients see, and back. The only place that knows prefixes (P-80, P-95, CORE-1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import attrs

__all__ = ["Names", "ambiguous", "shorten"]

_MARK = 9
"""Characters that a shortened name gives to its mark: an underscore and eight hexadecimal digits."""


@attrs.frozen
class Names:
    """The prefix of one backend. An empty namespace changes nothing. URIs are mapped like any other name (P-89)."""

    namespace: str
    separator: str
    prefix: str = attrs.field(init=False)

    @prefix.default
    def _joined(self) -> str:
        return self.namespace + self.separator if self.namespace else ""

    def out(self, local: str) -> str:
        """The name that clients see."""
        return self.prefix + local

    def back(self, full: str) -> str | None:
        """The backend's own name, or None if the name belongs to no tool of this backend."""
        return full[len(self.prefix) :] if full.startswith(self.prefix) and len(full) > len(self.prefix) else None


def ambiguous(namespaces: Iterable[str], separator: str) -> list[tuple[str, str]]:
    """Pairs of different namespaces whose prefixes begin alike, the shorter first: a name could belong to both (CORE-5).

    ``redis`` and ``redis_ft`` are such a pair with the separator ``_``. The empty namespace has no prefix and is in no pair.
    """
    ordered = sorted({namespace for namespace in namespaces if namespace}, key=lambda namespace: (len(namespace), namespace))
    return [
        (short, long)
        for place, short in enumerate(ordered)
        for long in ordered[place + 1 :]
        if (long + separator).startswith(short + separator)
    ]


def shorten(name: str, limit: int) -> str:
    """The name itself if it has at most ``limit`` characters (0: any number), else its beginning and a mark made of the whole name.

    The same name always becomes the same short one, so replicas and restarts agree. ``limit`` is at least 10.
    """
    if not limit or len(name) <= limit:
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[: max(limit - _MARK, 1)]}_{mark[: _MARK - 1]}"
