"""What the members of one server say, in words that are the same for all clients, and with their references put in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..interpolate import Interpolation, escape
from ..problem import KeyPath
from .formats import ClientFormat, Meaning, Time
from .imported import LeftOut

__all__ = ["Given", "Said", "said_by"]

_BARE = re.compile(r"\$(?!\$|\{)([A-Za-z_][A-Za-z0-9_]*)")
_BRACES = re.compile(r"\{(?:env:([A-Za-z_][A-Za-z0-9_]*)|(file:[^}]+))\}")
_SECRETS = re.compile(r"\$\{\{\s*(?:secrets|inputs)\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


@attrs.frozen
class Given:
    """A member that says something."""

    path: KeyPath
    value: Any


@attrs.define
class Said:
    """Everything that one server says."""

    meanings: dict[Meaning, Given] = attrs.field(factory=dict)
    times: list[tuple[Time, Given]] = attrs.field(factory=list)
    unknown: list[KeyPath] = attrs.field(factory=list)

    def value(self, meaning: Meaning) -> Any:
        """What a member says, or None."""
        given = self.meanings.get(meaning)
        return None if given is None else given.value

    def path(self, meaning: Meaning, otherwise: KeyPath) -> KeyPath:
        """Where it is said."""
        given = self.meanings.get(meaning)
        return otherwise if given is None else given.path

    def resolve(self, client: ClientFormat, interpolation: Interpolation) -> None:
        """Put in what its texts refer to; raises `LeftOut` where that is not there."""
        if client.references == "none":
            return
        for meaning, given in self.meanings.items():
            value = interpolation.resolve(_in_our_words(given.value, client, interpolation.environ), given.path)
            self.meanings[meaning] = attrs.evolve(given, value=value)
        if interpolation.problems:
            raise LeftOut.because_of(interpolation.problems)


def said_by(client: ClientFormat, entry: Mapping[Any, Any], path: KeyPath) -> Said:
    """Sort the members by what they say; a null says nothing, and of two that say the same the one named first in the table holds."""
    said = Said()
    members = dict(_members(client, entry, path, ""))
    for member, word in client.words.items():
        given = members.pop(member, None)
        if given is None or given.value is None:
            continue
        if isinstance(word, Time):
            said.times.append((word, given))
        else:
            said.meanings.setdefault(word, given)
    said.unknown += [given.path for given in members.values() if given.value is not None and given.value is not False]
    return said


def _members(client: ClientFormat, entry: Mapping[Any, Any], path: KeyPath, prefix: str) -> Iterator[tuple[str, Given]]:
    """Every member with its dotted name; what has members that are known is looked into."""
    for key, value in entry.items():
        member = f"{prefix}{key}"
        if isinstance(value, dict) and any(word.startswith(f"{member}.") for word in client.words):
            yield from _members(client, value, (*path, str(key)), f"{member}.")
        else:
            yield member, Given((*path, str(key)), value)


def _in_our_words(value: Any, client: ClientFormat, environ: Mapping[str, str]) -> Any:
    """References as this client writes them, written as ours."""
    if isinstance(value, dict):
        return {key: _in_our_words(item, client, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_our_words(item, client, environ) for item in value]
    if not isinstance(value, str):
        return value
    if client.references == "braces":
        return _BRACES.sub(lambda match: f"${{{match[1] or match[2]}}}", escape(value))
    if client.references == "dollars":
        # in lower case it is rather a part of a password, which that client would pass as it is
        return _BARE.sub(lambda match: f"${{{match[1]}}}" if match[1].isupper() or match[1] in environ else match[0], value)
    return _SECRETS.sub(lambda match: f"${{{match[1]}}}", value)
