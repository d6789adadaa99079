"""How a backend's own names become the names that clients see, and back. The only place that knows prefixes (P-80, P-95, CORE-1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from .uris import Uris

if TYPE_CHECKING:  # `sluicegate check` needs no messages, which take a fifth of its time to load
    from .offers import ListKind

__all__ = ["Names", "ambiguous", "fitting", "is_portable", "portable", "shorten"]

_MARK = 9
"""Characters that a changed name gives to its mark: an underscore and eight hexadecimal digits."""
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")
"""What some clients, and the models behind them, refuse in a name; one such name can cost the user the whole gateway."""


@attrs.frozen(repr=False)
class Names:
    """The names of one backend: a prefix before those of tools and prompts, and a way to write URIs. An empty namespace changes nothing."""

    namespace: str
    separator: str
    prefix: str = attrs.field(init=False)
    uris: Uris = attrs.field(init=False, default=attrs.Factory(lambda self: Uris(self.namespace), takes_self=True))

    @prefix.default
    def _joined(self) -> str:
        return self.namespace + self.separator if self.namespace else ""

    def out(self, local: str) -> str:
        """The name that clients see."""
        return self.prefix + local

    def back(self, full: str) -> str | None:
        """The backend's own name, or None if the name belongs to no tool of this backend."""
        return full[len(self.prefix) :] if full.startswith(self.prefix) and len(full) > len(self.prefix) else None

    def key_out(self, kind: ListKind, local: str) -> str:
        """What identifies an entry of a list to clients: a name, a URI or a template."""
        if kind.key == "name":
            return self.out(local)
        return self.uris.out(local) if kind.key == "uri" else self.uris.template_out(local)

    def key_back(self, kind: ListKind, full: str) -> str | None:
        """What identifies it to the backend, or None if it is none of this backend's."""
        return self.back(full) if kind.key == "name" else self.uris.back(full)


def ambiguous(namespaces: Iterable[str], separator: str) -> list[tuple[str, str]]:
    """Pairs of different namespaces whose prefixes begin alike, the shorter first: a name could belong to both (CORE-5).

    ``redis`` and ``redis_ft`` are such a pair with the separator ``_``. The empty namespace has no prefix and is in no pair.
    """
    pairs: list[tuple[str, str]] = []
    around: list[str] = []  # those with whose prefixes the one before began; what begins alike stands together
    for prefix in sorted({namespace + separator for namespace in namespaces if namespace}):
        while around and not prefix.startswith(around[-1]):
            around.pop()
        pairs += ((short.removesuffix(separator), prefix.removesuffix(separator)) for short in around)
        around.append(prefix)
    return sorted(pairs, key=lambda pair: [(len(namespace), namespace) for namespace in pair])


def shorten(name: str, limit: int) -> str:
    """The name itself if it has at most ``limit`` characters (0: any number), else its beginning and a mark made of the whole name.

    The same name always becomes the same short one, so replicas and restarts agree. ``limit`` is at least 10.
    """
    if not limit or len(name) <= limit:
        return name
    return _marked(name, name, limit)


def _marked(shown: str, name: str, limit: int) -> str:
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    room = max(limit - _MARK, 1) if limit else len(shown)
    return f"{shown[:room]}_{mark[: _MARK - 1]}"


def is_portable(name: str) -> bool:
    """Whether every client takes these characters in a name."""
    return _FOREIGN.search(name) is None


def fitting(name: str, limit: int) -> str:
    """The name itself if every client takes it, else what of it is portable, and a mark made of the whole name, as `shorten` makes it."""
    plain = portable(name)
    return shorten(name, limit) if plain == name else _marked(plain, name, limit)


def portable(name: str) -> str:
    """A name with ``_`` in the place of all that some client refuses."""
    return _FOREIGN.sub("_", name)
