"""Namespaces for the servers of a client, whose names need not be legal before a tool's name, nor tell each other apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["Namespaces", "legal_namespace"]

_RESERVED = frozenset({"proxy"})
_LONGEST = 40
"""Characters of a namespace that is made of a longer name; a tool's own name wants to be seen behind it."""


def legal_namespace(name: str) -> str:
    """The nearest namespace that every client accepts in a tool's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST].rstrip("-") or "server"


class Namespaces:
    """Gives each server a legal one whose prefix cannot be mistaken for another's (CORE-5)."""

    def __init__(self, separator: str, taken: Iterable[str]) -> None:
        self._separator = separator
        self._joint = "_" if "-" in separator else "-"
        self._taken: set[str] = set()
        self._coming: set[str] = set()
        self._begun: set[str] = set()
        """Everything that with a separator behind it is the beginning of a prefix that is taken."""
        self._numbers: dict[str, int] = {}
        """The last number that was tried behind a name."""
        for namespace in taken:
            self._take(namespace)

    def expect(self, names: Iterable[str]) -> None:
        """Names that will be asked for; of two that begin alike, the longer one is changed, whoever comes first."""
        self._coming |= {legal_namespace(name) for name in names}

    def give(self, name: str) -> str:
        """The namespace of a server."""
        plain = legal_namespace(name)
        found = next((space for space in self._candidates(plain) if not self._clashes(space)), plain)
        self._take(found)
        return found

    def _candidates(self, plain: str) -> Iterator[str]:
        yield plain
        joined = plain.replace(self._separator, self._joint) if self._separator else plain
        if joined != plain:
            yield joined
        number = self._numbers.get(joined, 1)
        while True:
            number += 1
            self._numbers[joined] = number
            yield f"{joined}{self._joint}{number}"

    def _clashes(self, space: str) -> bool:
        if space in self._taken or space in _RESERVED or space in self._begun:
            return True
        return any(short in self._taken or short in self._coming for short in self._beginnings(space))

    def _take(self, space: str) -> None:
        self._taken.add(space)
        self._begun.update(self._beginnings(space))

    def _beginnings(self, space: str) -> Iterator[str]:
        """Every shorter namespace whose prefix that of this one begins with."""
        if not self._separator or not space:
            return
        prefix = space + self._separator
        place = prefix.find(self._separator)
        while 0 <= place < len(space):
            yield prefix[:place]
            place = prefix.find(self._separator, place + 1)
