"""From what is said of somebody to his roles (RBAC-2 … RBAC-4): worked out once for each token that was verified."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import attrs

from ..protocol.principal import NO_ROLE

__all__ = ["ClaimedRoles"]

_MOST_VALUES = 1024
"""Entries of a claim that are looked up; of more none is, since nobody can say which would be missing."""


@attrs.frozen(repr=False)
class ClaimedRoles:
    """A function from claims to roles."""

    claim: str
    """Where they stand: the name of a claim, which may have dots in it, or several names of claims in claims with dots between them."""
    mapping: Mapping[str, str]
    """By a value of the claim, the name of a role."""
    default_deny: bool = True
    """Whether one role at least is needed."""

    def __call__(self, claims: Mapping[str, object]) -> frozenset[str]:
        """The roles that claims stand for, each once, in whatever order they come."""
        values = list(self.said_in(claims))
        found = frozenset(self.mapping[value] for value in values if value in self.mapping) if len(values) <= _MOST_VALUES else frozenset()
        return found or (frozenset({NO_ROLE}) if self.default_deny else found)

    def said_in(self, claims: Mapping[str, object]) -> Iterator[str]:
        """What is looked up.

        A text is looked up whole, and word by word if that leads nowhere; of a list each entry is, whole; a number is as JSON has it.
        """
        found = _at(claims, self.claim)
        if isinstance(found, str):
            yield from (found,) if found in self.mapping else found.split()
        elif isinstance(found, list | tuple):
            yield from (_written(entry) for entry in found if isinstance(entry, str | int | float))
        elif isinstance(found, int | float):
            yield _written(found)


def _at(claims: Mapping[str, object], path: str) -> object:
    """What stands there; a claim with that whole name comes before claims in claims."""
    if path in claims:
        return claims[path]
    for end, char in enumerate(path):
        inner = claims.get(path[:end]) if char == "." else None
        if isinstance(inner, Mapping) and (found := _at(inner, path[end + 1 :])) is not None:
            return found
    return None


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)
