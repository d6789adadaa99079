"""What was put into a configuration for ``${…}``: whose variables they are, and which values may be secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from .inheritance import is_common
from .interpolate import Interpolation
from .problem import KeyPath

__all__ = ["Named", "Watched", "backend_at"]

_PUBLIC = frozenset({"proxy", "observability", "name", "namespace", "transport", "command", "cwd"})
"""Tables and keys in which nothing is secret that a variable may hold."""


@attrs.frozen(repr=False)
class Watched(Mapping[str, str]):
    """An environment that remembers what was looked up."""

    inner: Mapping[str, str]
    named: set[str] = attrs.field(factory=set, init=False)

    def __getitem__(self, name: str) -> str:
        self.named.add(name)
        return self.inner[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


@attrs.define(repr=False)
class Named:
    """Collected from all files of one configuration."""

    users: dict[str, set[str]] = attrs.field(factory=dict)
    """By variable, the backends in whose tables it is named; an empty name is any other table."""
    inserted: set[str] = attrs.field(factory=set)
    """Values that may be secret."""
    files: set[Path] = attrs.field(factory=set)
    """Files whose text was put in."""

    def take(self, interpolation: Interpolation, backend: Callable[[KeyPath], str]) -> None:
        """Remember those of a configuration; ``backend`` says in whose table a key stands."""
        self.files |= interpolation.files
        for name, paths in interpolation.named.items():
            self.users.setdefault(name, set()).update(backend(path) for path in paths)
        for path, values in interpolation.inserted.items():
            if path[0] not in _PUBLIC and path[-1] not in _PUBLIC:
                self.inserted |= values

    def take_server(self, name: str, interpolation: Interpolation) -> None:
        """Remember those of one server of a client's file, which may be named in other ways than by ``${…}``."""
        self.files |= interpolation.files
        environ = interpolation.environ
        if isinstance(environ, Watched):
            for variable in environ.named:
                self.users.setdefault(variable, set()).add(name)
            self.inserted |= {environ.inner[name] for name in environ.named if name in environ.inner and not is_common(name)}
        for values in interpolation.inserted.values():
            self.inserted |= values

    @property
    def variables(self) -> dict[str, frozenset[str]]:
        """The variables, as a configuration has them."""
        return {name: frozenset(backends) for name, backends in self.users.items()}


def backend_at(tree: Mapping[str, Any], path: KeyPath) -> str:
    """The name of the backend in whose table a key stands; empty for any other table."""
    match path:
        case ("backends", int(index), *_) if isinstance(tree["backends"][index], dict):
            return str(tree["backends"][index].get("name", ""))
    return ""
